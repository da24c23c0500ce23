package foreign

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/layers/mount"
	"cove/runner/record"
	"cove/sandbox"
)

// start is a verb of the runtime that leaves a process behind.
type start struct {
	verb    string
	args    []string
	streams Streams
	mounts  []mounted
	begin   func() error
	name    string // begins the names of its files
}

// start runs the verb and becomes the parent of the process that it leaves.
func (c *Container) start(ctx context.Context, s start) (*sandbox.Process, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("runtime %s: becoming the parent of what it leaves: %w", c.runtime.Name, err)
	}
	pidFile := filepath.Join(c.dir, s.name+pidName)
	defer os.Remove(pidFile)
	args := append(s.args, "--pid-file", pidFile)
	var console *consoleSocket
	if s.streams.Terminal {
		var err error
		if console, err = c.listen(s.name + "tty"); err != nil {
			return nil, err
		}
		defer console.close()
		args = append(args, "--console-socket", console.path)
	}
	cmd := c.command(ctx, s.name+logName, s.verb, append(args, c.id)...)
	if !s.streams.Terminal {
		cmd.give(s.streams)
	}
	if err := cmd.within(s.mounts); err != nil {
		return nil, err
	}
	pid, err := readPid(pidFile)
	if err != nil {
		return nil, fmt.Errorf("runtime %s: %w", c.runtime.Name, err)
	}
	var master *os.File
	if console != nil {
		if master, err = console.receive(s.streams.Size); err != nil {
			return nil, fmt.Errorf("runtime %s: its terminal: %w", c.runtime.Name, err)
		}
	}
	return sandbox.Reparented(pid, master, s.begin)
}

func readPid(name string) (int, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// run runs a verb to its end.
func (c *Container) run(ctx context.Context, verb string, args ...string) error {
	return c.command(ctx, verb+"-"+logName, verb, args...).within(nil)
}

// command is one call of the runtime. What it says is written to a log, apart from what
// the container's process prints to the same descriptors.
type command struct {
	*exec.Cmd
	runtime record.Runtime
	verb    string
	log     string
}

func (c *Container) command(ctx context.Context, log, verb string, args ...string) *command {
	log = filepath.Join(c.dir, log)
	all := append([]string{}, c.runtime.Args...)
	all = append(all, "--root", filepath.Join(c.dir, stateName), "--log", log, "--log-format", "json", verb)
	return &command{
		Cmd:     exec.CommandContext(ctx, c.runtime.Path, append(all, args...)...),
		runtime: c.runtime, verb: verb, log: log,
	}
}

// give hands on the streams of the container.
func (cmd *command) give(s Streams) {
	if s.Stdin != nil {
		cmd.Stdin = s.Stdin
	}
	if s.Stdout != nil {
		cmd.Stdout = s.Stdout
	}
	if s.Stderr != nil {
		cmd.Stderr = s.Stderr
	}
}

// within runs the command in a mount namespace of its own where mounts are attached;
// without any, in the caller's.
func (cmd *command) within(mounts []mounted) (err error) {
	defer os.Remove(cmd.log)
	if len(mounts) == 0 {
		err = cmd.Run()
	} else {
		mount.OnOwnThread(func() {
			if err = attach(mounts); err == nil {
				err = cmd.Run() // forked by this thread, whose namespace it has
			}
		})
	}
	if err == nil {
		return nil
	}
	return cmd.failure(err)
}

// attach has the calling thread leave the caller's mount namespace. What the host mounts
// later is seen there, and nothing of what is mounted there on the host.
func attach(mounts []mounted) error {
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	for _, m := range mounts {
		err := unix.MoveMount(int(m.Fd()), "", unix.AT_FDCWD, m.at, unix.MOVE_MOUNT_F_EMPTY_PATH)
		if err != nil {
			return fmt.Errorf("move_mount: %s: %w", m.at, err)
		}
	}
	return nil
}

// failure is what the runtime said, with docker's exit code for it: the words of those
// programs are all that tells what is not there from what may not be executed.
func (cmd *command) failure(err error) error {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return &record.StartError{
			Code: 125, Kind: record.KindOf(errdefs.ErrNotFound),
			Msg: fmt.Sprintf("runtime %s: there is no program %s", cmd.runtime.Name, cmd.runtime.Path),
		}
	}
	text, code := said(cmd.log), 125
	switch {
	case cmd.verb == "delete" || cmd.verb == "kill":
	case strings.Contains(text, "executable file not found"), strings.Contains(text, "no such file or directory"),
		strings.Contains(text, "No such file or directory"):
		code = 127
	case strings.Contains(text, "permission denied"), strings.Contains(text, "Permission denied"):
		code = 126
	}
	if text == "" {
		text = err.Error()
	}
	return &record.StartError{Code: code, Msg: fmt.Sprintf("runtime %s: %s: %s", cmd.runtime.Name, cmd.verb, text)}
}

// said is the last error in a runtime's log.
func said(log string) (text string) {
	data, err := os.ReadFile(log)
	if err != nil {
		return ""
	}
	for line := range bytes.Lines(data) {
		var entry struct{ Level, Msg string }
		if json.Unmarshal(line, &entry) == nil && entry.Level == "error" {
			text = entry.Msg
		}
	}
	return text
}

// consoleSocket is where a runtime sends the master of a terminal.
type consoleSocket struct {
	dir    *os.File
	listen *net.UnixListener
	path   string
}

// listen makes one in the container's directory, which is named by a descriptor: a
// socket's path may not be as long as that of a directory.
func (c *Container) listen(name string) (*consoleSocket, error) {
	dir, err := os.Open(c.dir)
	if err != nil {
		return nil, fmt.Errorf("runtime %s: %w", c.runtime.Name, err)
	}
	path := fmt.Sprintf("/proc/%d/fd/%d/%s", os.Getpid(), dir.Fd(), name)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		dir.Close()
		return nil, fmt.Errorf("runtime %s: a socket for its terminal: %w", c.runtime.Name, err)
	}
	return &consoleSocket{dir: dir, listen: l, path: path}, nil
}

func (s *consoleSocket) close() {
	s.listen.Close()
	s.dir.Close()
}

// consolePatience is how long a busy machine may take with what was sent.
const consolePatience = time.Minute

// receive takes the master, which was sent before the runtime ended.
func (s *consoleSocket) receive(size unix.Winsize) (*os.File, error) {
	// The runtime has ended, so that what it sent is there.
	if err := s.listen.SetDeadline(time.Now().Add(consolePatience)); err != nil {
		return nil, err
	}
	conn, err := s.listen.AcceptUnix()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	name, oob := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := conn.ReadMsgUnix(name, oob)
	if err != nil {
		return nil, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return nil, errdefs.Errorf(errdefs.ErrCorrupt, "the runtime sent %d messages: %w", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, errdefs.Errorf(errdefs.ErrCorrupt, "the runtime sent %d terminals: %w", len(fds), err)
	}
	unix.CloseOnExec(fds[0])
	if size.Row > 0 {
		_ = unix.IoctlSetWinsize(fds[0], unix.TIOCSWINSZ, &size) // it may have ended
	}
	return os.NewFile(uintptr(fds[0]), "/dev/ptmx"), nil
}
