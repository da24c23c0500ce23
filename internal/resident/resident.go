// Package resident keeps little of a program that serves for long in memory.
package resident

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Keep lets go of pages of the program now, and then each time that a while is over, until
// the context ends.
func Keep(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		LetGo()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// LetGo lets go of the pages of the program that are not in use. The kernel maps a page of a
// file with its neighbours, and keeps it mapped when it is not read any more: a large
// program that serves for long is soon resident as a whole, most of it for what only its
// start ran through. What is in use is mapped again, from the kernel's cache, in less than a
// millisecond. Where it is refused nothing is different.
func LetGo() { _ = letGo() }

// letGo unmaps the pages of this process's own program that nothing has written to: they are
// read from its file again.
func letGo() error {
	mapped, err := ownProgram()
	for _, m := range mapped {
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED); errno != 0 {
			err = errors.Join(err, errno)
		}
	}
	return err
}

type mapping struct{ from, to uintptr }

// ownProgram is where this process has its program mapped just as the file is. What a linker at
// its start or a debugger wrote is in no file.
func ownProgram() (same []mapping, err error) {
	program, err := os.Stat("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return nil, err
	}
	inode := strconv.FormatUint(program.Sys().(*syscall.Stat_t).Ino, 10)
	var m mapping
	for line := range strings.Lines(string(maps)) {
		field := strings.Fields(line)
		switch {
		case len(field) >= 5 && !strings.HasSuffix(field[0], ":"): // FROM-TO PERMISSIONS OFFSET DEVICE INODE PATH
			m = mapping{}
			if field[4] == inode && !strings.Contains(field[1], "w") {
				if _, err := fmt.Sscanf(field[0], "%x-%x", &m.from, &m.to); err != nil {
					return nil, err
				}
			}
		case len(field) == 3 && field[0] == "Anonymous:" && field[1] == "0" && m.to != 0:
			same = append(same, m)
		}
	}
	return same, nil
}
