package sandbox

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"cove/sandbox/host"
	"cove/sandbox/plan"
)

// StepError is the failure of one step of a plan.
type StepError struct {
	// Index is the step's in Plan.Steps.
	Index int
	// Why is what the step was for, as "mount /proc" or "exec".
	Why string
	// Call is the step's system call.
	Call string
	// Errno is what the kernel said.
	Errno unix.Errno
	// Exec marks a failure of execve: the container is fine, its command is not.
	Exec bool
	// Command is the argv[0] that could not be executed.
	Command string
}

// Error names what was tried, and the call and errno that ended it.
func (e *StepError) Error() string {
	if e.Exec {
		return fmt.Sprintf("sandbox: exec %s: %s", e.command(), e.execText())
	}
	if strings.HasPrefix(e.Why, plan.BindSource) && e.Call == "open_tree" {
		return fmt.Sprintf("sandbox: %s: %v", e.Why, e.Errno)
	}
	text := fmt.Sprintf("sandbox: %s: %s: %v", e.Why, e.Call, e.Errno)
	switch mounting := strings.HasPrefix(e.Why, "mount "); {
	case mounting && e.Errno == unix.ELOOP:
		text += "; the root filesystem has a link on the way, and proc and sysfs must be mounted on ordinary directory"
	case mounting && e.Errno == unix.EINVAL && e.Call == "move_mount":
		text += "; is it a directory on a file, or a file on a directory?"
	case mounting && e.Errno == unix.EPERM && e.Call == "fsmount":
		text += "; in a user namespace the kernel mounts what is wholly to be seen outside of it, and this is in a container " +
			"whose runtime hides parts of it: that has to show them (in Kubernetes: procMount: Unmasked)"
	}
	return text
}

// command is quoted where its end would not be seen.
func (e *StepError) command() string {
	quoted := strconv.Quote(e.Command)
	if quoted == `"`+e.Command+`"` && !strings.Contains(e.Command, " ") {
		return e.Command
	}
	return quoted
}

func (e *StepError) execText() string {
	switch e.Errno {
	case unix.ENOENT:
		text := "no such file or directory in the container"
		if !strings.Contains(e.Command, "/") {
			text = "executable file not found in $PATH" // as Go's os/exec, and so docker, puts it
		}
		return text + " (or it is there, and the interpreter of the script or program is not)"
	case unix.ENOEXEC:
		return "exec format error: not a program of this architecture, or a script without #! line"
	}
	return e.Errno.Error()
}

// ExitCode is the one of docker: 127 for a command that is not there, 126 for
// one that cannot be executed or not where it should, 125 for a failure before it.
func (e *StepError) ExitCode() int {
	switch {
	case strings.HasPrefix(e.Why, plan.WorkingDir):
		return 126
	case !e.Exec:
		return 125
	case e.Errno == unix.ENOENT || e.Errno == unix.ENOTDIR:
		return 127
	}
	return 126
}

// Unwrap makes the errno and the kind of failure reachable.
func (e *StepError) Unwrap() []error {
	return []error{host.ErrKind(e.Errno), e.Errno}
}
