package rawmode

import (
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// pair is a terminal: its master, and the name of the other end.
func pair(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("the terminal cannot be opened here: %v", err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

func TestBegin(t *testing.T) {
	t.Parallel()
	master, slave := pair(t)
	fd := int(slave.Fd())
	resize := func(rows, cols uint16) {
		t.Helper()
		if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols}); err != nil {
			t.Fatal(err)
		}
	}
	resize(31, 97)
	before, err := term.GetState(fd)
	if err != nil {
		t.Fatal(err)
	}
	sizes, restore, err := Begin(fd, fd)
	if err != nil {
		t.Fatal(err)
	}
	if size := <-sizes; size.Row != 31 || size.Col != 97 {
		t.Errorf("the first size is %+v", size)
	}
	resize(40, 120)
	if err := unix.Kill(os.Getpid(), unix.SIGWINCH); err != nil { // it is not this process's own terminal
		t.Fatal(err)
	}
	if size := <-sizes; size.Row != 40 || size.Col != 120 {
		t.Errorf("the size after a change is %+v", size)
	}
	if raw, err := term.GetState(fd); err != nil || *raw == *before {
		t.Errorf("the terminal was not made raw: %v", err)
	}
	restore()
	if after, err := term.GetState(fd); err != nil || *after != *before {
		t.Errorf("the terminal is not as it was: %v", err)
	}
	if _, _, err := Begin(-1, fd); err == nil {
		t.Error("what is no terminal was made raw")
	}
}
