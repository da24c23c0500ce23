package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cove/layers/mount"

	"golang.org/x/sys/unix"
)

// String prints the plan as strace would: what the parent does first, then the
// program's steps, one a line.
func (p *Plan) String() string {
	var b strings.Builder
	for i, f := range p.Files {
		fmt.Fprintf(&b, "parent: f%d = %s\n", i, f)
	}
	fmt.Fprintf(&b, "parent: clone3({flags=%s",
		cloneFlags.format(p.Clone|unix.CLONE_VM|unix.CLONE_VFORK|unix.CLONE_PIDFD))
	b.WriteString("})\n")
	for _, m := range []struct {
		name string
		ids  []mount.IDRange
	}{{"uid_map", p.UIDs}, {"gid_map", p.GIDs}} {
		for _, r := range m.ids {
			fmt.Fprintf(&b, "parent: write(\"/proc/PID/%s\", \"%d %d %d\")\n", m.name, r.Inside, r.Outside, r.Size)
		}
	}
	if p.Clone&unix.CLONE_NEWUSER != 0 {
		b.WriteString("child: setgroups(0, []); setresgid(0, 0, 0); setresuid(0, 0, 0)\n")
	}
	b.WriteString("child: execve(program)\n")
	why := ""
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Why != why {
			why = s.Why
			fmt.Fprintf(&b, "# %s\n", why)
		}
		b.WriteString(s.String())
		b.WriteByte('\n')
	}
	if s := p.Scheduler; s != nil {
		fmt.Fprintf(&b, "parent: sched_setattr(PID, {policy=%d, flags=%#x, nice=%d, priority=%d})\n",
			s.Policy, s.Flags, s.Nice, s.Priority)
	}
	return b.String()
}

// String prints one step.
func (s *Step) String() string {
	switch s.Op {
	case Barrier:
		return "-- " + s.Why + ": tell the parent, wait for it --"
	case Reap:
		s := "wait4(" + s.Args[0].String() + "), tell the parent how it ended, and fail unless with code 0"
		return s
	case Octal:
		return s.Args[1].String() + " = " + s.Args[0].String() + " in octal digits"
	case Store:
		return s.Args[1].String() + " = " + s.Args[0].String()
	case MapOwners:
		return "tell the parent " + s.Args[0].String() + ", wait until its owners are mapped by " + s.Args[1].String()
	case Check:
		return fmt.Sprintf("check %s & %#x == %#x, else %s", &s.Args[0], s.Args[1].Num, s.Args[2].Num,
			unix.ErrnoName(s.Errno)) + s.outcome()
	}
	var b strings.Builder
	if s.Result != 0 {
		fmt.Fprintf(&b, "v%d = ", s.Result)
	}
	b.WriteString(s.Call)
	b.WriteByte('(')
	for i := range s.Args {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(s.Args[i].String())
	}
	b.WriteByte(')')
	if s.Op == Listen {
		b.WriteString("; tell the parent its listener, wait until it has a copy, close it")
	}
	return b.String() + s.outcome()
}

// outcome says how the plan goes on.
func (s *Step) outcome() string {
	var b strings.Builder
	if s.OnOK != 0 {
		fmt.Fprintf(&b, ", skip %d if done", s.OnOK)
	}
	if len(s.Accept) > 0 {
		b.WriteString(", or ")
		for i, e := range s.Accept {
			if i > 0 {
				b.WriteByte('|')
			}
			b.WriteString(errnoName(e))
		}
	}
	if s.OnError != 0 {
		fmt.Fprintf(&b, ": skip %d", s.OnError)
	}
	return b.String()
}

func errnoName(e unix.Errno) string {
	if e == AnyError {
		return "any error"
	}
	return unix.ErrnoName(e)
}

// String prints an argument.
func (a *Arg) String() string {
	switch a.Kind {
	case Result:
		s := "v" + strconv.FormatUint(a.Num, 10)
		if a.Offset > 0 {
			s += "[" + strconv.FormatUint(a.Offset, 10) + "]"
		}
		return s
	case Inherited:
		return "f" + strconv.FormatUint(a.Num, 10)
	case Buffer:
		s := "&v" + strconv.FormatUint(a.Num, 10)
		if a.Offset > 0 {
			s += "[" + strconv.FormatUint(a.Offset, 10) + "]"
		}
		return s
	case String:
		return strconv.Quote(a.Str)
	case Strings:
		return printStrings(a.List)
	case Struct:
		return a.text()
	case Filter:
		return "{filter}"
	case Ending:
		return "{exit with 128 and the signal}"
	case FirstFD:
		return "first+" + strconv.FormatUint(a.Num, 10)
	case DeathSignal:
		return "SIGKILL"
	}
	if a.flags != nil {
		return a.flags.format(a.Num)
	}
	if a.Num > 1<<63 {
		return strconv.FormatInt(int64(a.Num), 10)
	}
	return strconv.FormatUint(a.Num, 10)
}

func printStrings(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = strconv.Quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// String says what the parent opens.
func (f File) String() string {
	switch f.Kind {
	case Root:
		return "fsmount(the root filesystem)"
	case Bind:
		s := "open_tree(" + strconv.Quote(f.Name) + ", OPEN_TREE_CLONE"
		if f.Recursive {
			s += "|AT_RECURSIVE"
		}
		s += ")"
		if f.Apart {
			s += " after unshare(CLONE_NEWNS)"
		}
		if len(f.UIDs) > 0 {
			s += fmt.Sprintf("; mount_setattr(IDMAP, uids %v, gids %v)", f.UIDs, f.GIDs)
		}
		if f.OwnersOf != "" {
			s += "; mount_setattr(IDMAP, as in " + f.OwnersOf + ")"
		}
		return s + f.Attr.String()
	case Owners:
		if f.OwnersOf != "" {
			return "open(" + f.OwnersOf + ")"
		}
		return fmt.Sprintf("open(a user namespace, uids %v, gids %v)", f.UIDs, f.GIDs)
	case Namespace:
		return "open(" + strconv.Quote(f.Name) + ")"
	case CgroupTasks:
		return "open(the group's tasks, " + strconv.Quote(f.Name) + ")"
	case CgroupDir:
		return "open_tree(the group's directory, " + strconv.Quote(f.Name) + ", OPEN_TREE_CLONE)" + f.Attr.String()
	case DevPTS:
		return "fsmount(devpts " + printStrings(f.Options) + ")"
	case CopyUp:
		return "fsmount(tmpfs " + printStrings(f.Options) + ", with what is in " + strconv.Quote(f.Name) + ")" +
			f.Attr.String()
	case TargetRoot:
		return "open(the root of the container's first process)"
	case HookState:
		return "memfd_create(the state for hooks, " + strconv.Quote(f.Name) + ")"
	case HookOutput:
		return "pipe(what hooks print)"
	case Target:
		return "pidfd_open(the container's first process)"
	}
	return "?"
}

// String prints the mount_setattr calls that a is for.
func (a MountAttr) String() string {
	s := ""
	if a.Set|a.Clear != 0 || a.Propagation != 0 && !a.PropagateAll {
		arg := mountAttr(a.Set, a.Clear, a.flat())
		s += "; mount_setattr(" + arg.String() + ")"
	}
	if a.SetAll|a.ClearAll != 0 || a.Propagation != 0 && a.PropagateAll {
		arg := mountAttr(a.SetAll, a.ClearAll, a.deep())
		s += "; mount_setattr(AT_RECURSIVE, " + arg.String() + ")"
	}
	return s
}

// flagSet names the bits of a number; exact names whole values.
type flagSet struct {
	bits  []flagName
	exact []flagName
	zero  string
	octal bool // prints a file mode
}

type flagName struct {
	bit  uint64
	name string
}

func (f *flagSet) format(n uint64) string {
	if f.octal {
		return octal(n)
	}
	if i := slices.IndexFunc(f.exact, func(e flagName) bool { return e.bit == n }); i >= 0 {
		return f.exact[i].name
	}
	if n == 0 {
		return f.zero
	}
	var names []string
	for _, e := range f.bits {
		if n&e.bit == e.bit {
			names = append(names, e.name)
			n &^= e.bit
		}
	}
	if n != 0 {
		names = append(names, "0x"+strconv.FormatUint(n, 16))
	}
	return strings.Join(names, "|")
}

func octal(n uint64) string { return "0" + strconv.FormatUint(n, 8) }
