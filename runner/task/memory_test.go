package task

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"testing"
)

// fileBacked is how much of this process's memory is of files, in KiB.
func fileBacked(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := bytes.Cut(status, []byte("RssFile:"))
	n, err := strconv.Atoi(strings.Fields(string(after))[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestFreeMemory: the program itself is not in the memory of who waits, and works on.
func TestFreeMemory(t *testing.T) { //nolint:paralleltest // others' pages would be counted
	before := fileBacked(t)
	FreeMemory()
	if after := fileBacked(t); after > before*3/4 {
		t.Errorf("%d KiB of files, before %d", after, before)
	}
}

func TestProgramRanges(t *testing.T) {
	t.Parallel()
	const maps = `00400000-00727000 r-xp 00000000 fe:00 1 /bin/cove-runtime
00727000-00a5a000 r--p 00327000 fe:00 1 /bin/cove-runtime
00a5a000-00a72000 rw-p 0065a000 fe:00 1 /bin/cove-runtime
00a72000-02aa9000 rw-p 00000000 00:00 0
7f0000000000-7f0000001000 r--p 00000000 fe:00 2 /lib/other
7f0000002000-7f0000003000 r-xp 00000000 00:00 0 [vdso]
`
	got := programRanges([]byte(maps), "/bin/cove-runtime")
	if want := []addressRange{{0x400000, 0x727000}, {0x727000, 0xa5a000}}; len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%x", got)
	}
	if got := programRanges([]byte("nonsense\nx-y r-xp 0 0 0 /bin/cove-runtime\n"), "/bin/cove-runtime"); len(got) != 0 {
		t.Errorf("%x", got)
	}
}
