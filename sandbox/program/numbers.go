package program

// numbers are a system call's on amd64 and on arm64 (arch/x86/entry/syscalls,
// include/uapi/asm-generic/unistd.h): those that plans make, and no others.
type numbers struct{ amd64, arm64 uint32 }

// lookup is a switch and no map, which would be filled at every start.
func lookup(call string) (numbers, bool) {
	var n numbers
	switch call {
	case "read":
		n = numbers{0, 63}
	case "write":
		n = numbers{1, 64}
	case "close":
		n = numbers{3, 57}
	case "lseek":
		n = numbers{8, 62}
	case "ioctl":
		n = numbers{16, 29}
	case "socket":
		n = numbers{41, 198}
	case "getcwd":
		n = numbers{79, 17}
	case "chdir":
		n = numbers{80, 49}
	case "fchdir":
		n = numbers{81, 50}
	case "pivot_root":
		n = numbers{155, 41}
	case "mount":
		n = numbers{165, 40}
	case "umount2":
		n = numbers{166, 39}
	case "chroot":
		n = numbers{161, 51}
	case "openat":
		n = numbers{257, 56}
	case "mkdirat":
		n = numbers{258, 34}
	case "mknodat":
		n = numbers{259, 33}
	case "fchownat":
		n = numbers{260, 54}
	case "fchmodat":
		n = numbers{268, 53}
	case "fstatfs":
		n = numbers{138, 44}
	case "statx":
		n = numbers{332, 291}
	case "symlinkat":
		n = numbers{266, 36}
	case "dup3":
		n = numbers{292, 24}
	case "open_tree":
		n = numbers{428, 428}
	case "move_mount":
		n = numbers{429, 429}
	case "fsopen":
		n = numbers{430, 430}
	case "fsconfig":
		n = numbers{431, 431}
	case "fsmount":
		n = numbers{432, 432}
	case "close_range":
		n = numbers{436, 436}
	case "openat2":
		n = numbers{437, 437}
	case "mount_setattr":
		n = numbers{442, 442}
	default:
		return lookupProcess(call)
	}
	return n, true
}

// lookupProcess knows the calls that are about the process and not about files.
func lookupProcess(call string) (numbers, bool) {
	var n numbers
	switch call {
	case "rt_sigaction":
		n = numbers{13, 134}
	case "rt_sigprocmask":
		n = numbers{14, 135}
	case "clone":
		n = numbers{56, 220}
	case "execve":
		n = numbers{59, 221}
	case "wait4":
		n = numbers{61, 260}
	case "umask":
		n = numbers{95, 166}
	case "setsid":
		n = numbers{112, 157}
	case "setgroups":
		n = numbers{116, 159}
	case "setresuid":
		n = numbers{117, 147}
	case "setresgid":
		n = numbers{119, 149}
	case "capset":
		n = numbers{126, 91}
	case "personality":
		n = numbers{135, 92}
	case "prctl":
		n = numbers{157, 167}
	case "sethostname":
		n = numbers{170, 161}
	case "sched_setaffinity":
		n = numbers{203, 122}
	case "set_mempolicy":
		n = numbers{238, 237}
	case "ioprio_set":
		n = numbers{251, 30}
	case "sched_setattr":
		n = numbers{314, 274}
	case "setdomainname":
		n = numbers{171, 162}
	case "exit_group":
		n = numbers{231, 94}
	case "keyctl":
		n = numbers{250, 219}
	case "unshare":
		n = numbers{272, 97}
	case "prlimit64":
		n = numbers{302, 261}
	case "setns":
		n = numbers{308, 268}
	case "seccomp":
		n = numbers{317, 277}
	default:
		return lookupLandlock(call)
	}
	return n, true
}

func lookupLandlock(call string) (n numbers, known bool) {
	switch call {
	case "landlock_create_ruleset":
		n = numbers{444, 444}
	case "landlock_add_rule":
		n = numbers{445, 445}
	case "landlock_restrict_self":
		n = numbers{446, 446}
	}
	return n, n.amd64 != 0
}
