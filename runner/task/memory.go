package task

import (
	"bytes"
	"os"
	"runtime/debug"
	"strconv"

	"golang.org/x/sys/unix"

	"cove/sandbox/host"
)

// FreeMemory gives back to the kernel what a process that waits does not need: free memory
// of the heap, and the pages of its own program. Those are in the page cache, once for all
// such processes, and are mapped again when they are needed; to have them mapped all the time
// costs each process tables, and makes it look three times as large as it is.
func FreeMemory() {
	debug.FreeOSMemory()
	maps, err := host.ReadFile("/proc/self/maps")
	if err != nil {
		return // it stays as large as it is
	}
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	for _, r := range programRanges(maps, program) {
		// A page that is needed meanwhile is read again, so that nobody notices.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, r.start, r.end-r.start, unix.MADV_DONTNEED)
	}
}

type addressRange struct{ start, end uintptr }

// programRanges are where a program is mapped that cannot be written to (proc_pid_maps(5)):
// what was changed of it is in no file.
func programRanges(maps []byte, program string) []addressRange {
	var found []addressRange
	for line := range bytes.Lines(maps) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		fields := bytes.Fields(line)
		if len(fields) < 6 || bytes.IndexByte(fields[1], 'w') >= 0 || !bytes.HasSuffix(line, []byte(" "+program)) {
			continue
		}
		from, to, _ := bytes.Cut(fields[0], []byte("-"))
		start, err := strconv.ParseUint(string(from), 16, 64)
		end, lerr := strconv.ParseUint(string(to), 16, 64)
		if err == nil && lerr == nil && end > start {
			found = append(found, addressRange{uintptr(start), uintptr(end)})
		}
	}
	return found
}
