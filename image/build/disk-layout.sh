# Where the partitions lie. Sourced by image.sh and compare.sh.

# Sizes in MiB. A slot holds a root file system with room for the next releases; the data partition grows at boot.
readonly BIOS_MIB=1
readonly ESP_MIB=64
readonly SLOT_MIB=1024
readonly DATA_MIB=128
# What the formats for hypervisors offer; it costs nothing until it is written.
readonly DISK_GIB=8

readonly ESP_AT=$((1 + BIOS_MIB))
readonly SLOT_A_AT=$((ESP_AT + ESP_MIB))
readonly SLOT_B_AT=$((SLOT_A_AT + SLOT_MIB))
readonly DATA_AT=$((SLOT_B_AT + SLOT_MIB))
# The last MiB is for the second copy of the table.
readonly DISK_MIB=$((DATA_AT + DATA_MIB + 1))
