package rootless

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/internal/filelock"
	"cove/sandbox/plan"
	"cove/sandbox/program"
)

// Options of Enter.
type Options struct {
	// Dir is the user's own directory for what does not outlive a reboot; it is made.
	Dir string
	// Path, Args and Env are what is executed inside.
	Path      string
	Args, Env []string
	// Note is told why the namespace that is made has one id only.
	Note func(why error)
}

// Enter replaces this process by another program in the user's namespace, with a mount
// namespace of its own. It returns only when that fails: errdefs.ErrDenied where the
// host allows no user namespace.
func Enter(ctx context.Context, o Options) error {
	ns, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer unix.Close(ns)
	image, err := program.Build(enterPlan(ns, o), program.Input{FirstFD: noFD})
	if err != nil {
		return err
	}
	file, err := program.Seal(image)
	if err != nil {
		return err
	}
	defer file.Close()
	path := "/proc/self/fd/" + strconv.Itoa(int(file.Fd()))
	return fmt.Errorf("rootless: executing in a user namespace: %w", syscall.Exec(path, []string{"cove"}, []string{}))
}

// noFD is no descriptor: nobody listens to this program, which says itself what fails.
const noFD = 1 << 20

// enterPlan joins the user namespace, makes a mount namespace that it owns, and
// executes. A process of one thread alone may do that, so no Go program.
func enterPlan(ns int, o Options) *plan.Plan {
	p := &plan.Plan{}
	step := func(why, call string, args ...plan.Arg) {
		failed := o.Args[0] + ": " + why + " failed; does the process that " + o.holderFile() + " names run?\n"
		p.Steps = append(p.Steps,
			plan.Step{Call: call, Args: args, Why: why, Accept: []unix.Errno{plan.AnyError}, OnOK: 2},
			plan.Step{Call: "write", Why: why, Args: []plan.Arg{number(2), text(failed), number(len(failed))}},
			plan.Step{Call: "exit_group", Why: why, Args: []plan.Arg{number(program.ExitCode)}})
	}
	step("joining the user namespace", "setns", number(ns), number(unix.CLONE_NEWUSER))
	step("making a mount namespace", "unshare", number(unix.CLONE_NEWNS))
	step("closing a file", "close", number(ns))
	step("executing "+o.Path, "execve", text(o.Path), plan.Arg{Kind: plan.Strings, List: o.Args},
		plan.Arg{Kind: plan.Strings, List: o.Env})
	return p
}

func number(n int) plan.Arg  { return plan.Arg{Num: uint64(n)} }
func text(s string) plan.Arg { return plan.Arg{Kind: plan.String, Str: s} }

func (o Options) holderFile() string { return filepath.Join(o.Dir, "userns") }

// open returns a descriptor of the user's namespace, which the program inherits.
func (o Options) open(ctx context.Context) (int, error) {
	if err := ownDir(o.Dir); err != nil {
		return -1, err
	}
	// One makes it, the others wait.
	making, err := filelock.Open(ctx, o.holderFile()+".lock", filelock.Exclusive)
	if err != nil {
		return -1, fmt.Errorf("rootless: %w", err)
	}
	defer filelock.Release(making)
	f, err := os.OpenFile(o.holderFile(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return -1, fmt.Errorf("rootless: %w", err)
	}
	defer f.Close() // who holds it has another
	if filelock.Held(f) {
		ns, err := held(f)
		if err == nil && filelock.Held(f) { // it lives: its pid means no other
			return ns, nil
		}
		if err == nil {
			unix.Close(ns)
		}
	}
	if err := filelock.Try(f, filelock.Exclusive); err != nil {
		return -1, fmt.Errorf("rootless: %s: %w", o.holderFile(), err)
	}
	return o.make(f)
}

// held opens the namespace of the process whose pid f has.
func held(f *os.File) (int, error) {
	b := make([]byte, 16)
	n, _ := f.ReadAt(b, 0) // shorter than b
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil {
		return -1, fmt.Errorf("rootless: %s: %w", f.Name(), err)
	}
	return openUser(pid)
}

func openUser(pid int) (int, error) {
	ns, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/ns/user", unix.O_RDONLY, 0) // inherited
	if err != nil {
		return -1, fmt.Errorf("rootless: the user namespace of process %d: %w", pid, err)
	}
	return ns, nil
}

// make starts the process that holds a new namespace, and the lock on f.
func (o Options) make(f *os.File) (int, error) {
	pid, err := startHolder(f)
	if err != nil {
		return -1, refused(err)
	}
	ns, err := o.furnish(f, pid)
	if err != nil {
		_ = unix.Kill(pid, unix.SIGKILL) // a child that nobody has waited for: the pid is its
		_, _ = syscall.Wait4(pid, nil, 0, nil)
	}
	return ns, err
}

// furnish gives the namespace of a process its ids, and writes down whose it is.
func (o Options) furnish(f *os.File, pid int) (int, error) {
	uid, gid := os.Getuid(), os.Getgid()
	name := strconv.Itoa(uid)
	if u, err := user.LookupId(name); err == nil {
		name = u.Username
	}
	m, err := find(name, uid, gid)
	if err == nil {
		err = m.assign(pid)
	}
	if err != nil {
		if one := assignOne(pid, uid, gid); one != nil {
			return -1, fmt.Errorf("%w; and: %w", err, one)
		}
		o.Note(err)
	}
	if err := f.Truncate(0); err != nil {
		return -1, fmt.Errorf("rootless: %w", err)
	}
	if _, err := f.WriteAt([]byte(strconv.Itoa(pid)+"\n"), 0); err != nil {
		return -1, fmt.Errorf("rootless: %w", err)
	}
	return openUser(pid)
}

// startHolder starts a process in a new user namespace that waits for ever, with lock
// open: a program of a few pages, which reads a pipe that it holds both ends of.
func startHolder(lock *os.File) (pid int, err error) {
	const image, in, out = 3, 4, 5
	built, err := program.Build(&plan.Plan{Steps: []plan.Step{
		{Call: "prctl", Why: "name", Args: []plan.Arg{number(unix.PR_SET_NAME), text("cove-userns")}},
		{Call: "read", Why: "wait", Args: []plan.Arg{number(in), {Kind: plan.Buffer, Num: 1}, number(1)}},
	}}, program.Input{FirstFD: image})
	if err != nil {
		return 0, err
	}
	sealed, err := program.Seal(built)
	if err != nil {
		return 0, err
	}
	defer sealed.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	defer w.Close()
	files := make([]uintptr, 7)
	for i, f := range []*os.File{null, null, null, image: sealed, in: r, out: w, 6: lock} {
		files[i] = f.Fd()
	}
	// Fd has made the files blocking, which the reader of the pipe needs.
	pid, _, err = syscall.StartProcess("/proc/self/fd/"+strconv.Itoa(image), []string{"cove-userns"}, &syscall.ProcAttr{
		Dir: "/", Files: files, Env: []string{},
		Sys: &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, Setsid: true},
	})
	return pid, err
}

// ownDir makes a directory that is the user's alone, or refuses what is there.
func ownDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return errdefs.Errorf(errdefs.ErrDenied, "a directory of your own is needed, as $XDG_RUNTIME_DIR or "+
			"$XDG_DATA_HOME names one: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return fmt.Errorf("rootless: %s: %w", dir, err)
	}
	if int(st.Uid) != os.Getuid() || st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Mode&0o022 != 0 {
		return errdefs.Errorf(errdefs.ErrDenied, "%s is not a directory of this user (uid %d) alone", dir, os.Getuid())
	}
	return nil
}
