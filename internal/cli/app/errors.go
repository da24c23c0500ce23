package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"cove/errdefs"
	"cove/internal/cli/remedy"
	"cove/internal/cli/terminal"
)

// The exit codes that are cove's own, as docker's are.
const (
	CodeFailed = 1   // a command failed
	CodeUsage  = 125 // it was called with a wrong flag, or a container could not be made
)

// Exit ends the program with Code. Err, unless nil, is printed.
type Exit struct {
	Code int
	Err  error
}

func (e *Exit) Error() string {
	if e.Err == nil {
		return "exit code " + strconv.Itoa(e.Code)
	}
	return e.Err.Error()
}

func (e *Exit) Unwrap() error { return e.Err }

// Many are the failures of a command with several arguments; each gets a line.
type Many []error

func (m Many) Error() string { return errors.Join(m...).Error() }

func (m Many) Unwrap() []error { return m }

// Join is nil when errs holds no error.
func Join(errs ...error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) == 0 {
		return nil
	}
	return Many(errs)
}

// Usage is a command called wrongly. Command is its path ("cove run"), Code what
// docker ends with: CodeUsage for a flag, CodeFailed for the number of arguments
// or a command that is not there.
type Usage struct {
	Command string
	Err     error
	Code    int
}

func (e *Usage) Error() string {
	return fmt.Sprintf("%v. See '%s --help'", e.Err, e.Command)
}

func (e *Usage) Unwrap() error { return e.Err }

// Interrupted is the cause of a context that a signal ended.
type Interrupted struct{ Signal syscall.Signal }

func (e *Interrupted) Error() string { return "interrupted" }

// Is says that it is a cancellation too: some return the context's error, some its
// cause.
func (e *Interrupted) Is(target error) bool { return target == context.Canceled }

// Left is what ends a command that goes on until somebody interrupts it: that is the
// usual way to leave, of which there is nothing to say.
func Left(ctx context.Context, err error) error {
	var stop *Interrupted
	if errors.Is(err, context.Canceled) && errors.As(context.Cause(ctx), &stop) {
		return &Exit{Code: 128 + int(stop.Signal)}
	}
	return err
}

// Report prints err as one line and returns the exit code for it.
func (a *App) Report(ctx context.Context, err error) int {
	if err == nil {
		return 0
	}
	var interrupted *Interrupted
	if errors.As(context.Cause(ctx), &interrupted) && errors.Is(err, context.Canceled) {
		a.print("interrupted")
		return 128 + int(interrupted.Signal)
	}
	var many Many
	if errors.As(err, &many) {
		for _, err := range many {
			a.print(a.explain(err))
		}
		return CodeFailed
	}
	code := CodeFailed
	var usage *Usage
	if errors.As(err, &usage) {
		code = usage.Code
	}
	var exit *Exit
	if errors.As(err, &exit) {
		code = exit.Code
		if exit.Err == nil {
			return code
		}
	}
	a.print(a.explain(err))
	return code
}

// Tell prints an error that does not end the command.
func (a *App) Tell(err error) { a.print(a.explain(err)) }

// print writes one line. A message that names the program already, as the
// builder's do, does not name it twice.
func (a *App) print(msg string) {
	fmt.Fprintf(a.Err, "%s: %s\n", a.Prog, strings.TrimPrefix(msg, a.Prog+": "))
}

// explain puts err on one line and adds what a person who may not touch the
// state root can do about it.
func (a *App) explain(err error) string {
	msg := terminal.Clean(oneLine(remedy.Text(err)))
	if os.Geteuid() != 0 && (errors.Is(err, os.ErrPermission) || errors.Is(err, errdefs.ErrDenied) &&
		strings.Contains(msg, "root")) &&
		!strings.Contains(msg, "sudo") {
		msg += fmt.Sprintf("; %s runs as uid %d and needs root here: use sudo, or --root with a directory of your own for what needs no mounts", a.Prog, os.Geteuid())
	}
	return msg
}

// oneLine joins lines by semicolons, but what ends in a colon to what it announces.
func oneLine(s string) string {
	var b strings.Builder
	for line := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == '\n' || r == '\r' }) {
		switch line = strings.TrimSpace(line); {
		case line == "":
			continue
		case b.Len() == 0:
		case strings.HasSuffix(b.String(), ":"):
			b.WriteByte(' ')
		default:
			b.WriteString("; ")
		}
		b.WriteString(line)
	}
	return b.String()
}
