// Package whycmd is the command that says why a container is as it is.
package whycmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"cove/engine"
	"cove/engine/containers"
	"cove/errdefs"
	"cove/internal/cli/app"
)

// lastLines is how much of what a container wrote why shows.
const lastLines = 5

// Why says why a container is as it is, and what helps.
func Why(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use:     "why CONTAINER",
		Short:   "Say why a container ended, or does not start, and what helps",
		Example: "  why db",
		Args:    app.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			eng, err := a.Engine()
			if err != nil {
				return err
			}
			cause, err := eng.Why(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			for _, line := range because(cause) {
				fmt.Fprintln(a.Out, line)
			}
			return showLast(cmd.Context(), a, eng, cause)
		},
	}
}

// because are the reasons in sentences, the first of which is the main one.
func because(c engine.Cause) (lines []string) {
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	s, name := c.State, c.Name
	switch {
	case s.Alive():
		say("%s runs since %s.", name, s.StartedAt.Local().Format("2006-01-02 15:04:05"))
	case s.Status == "created" && s.Error == "":
		say("%s was never started: start it with 'start %[1]s'.", name)
	case s.Status == "created":
		say("%s could not be started (exit code %d): %s", name, s.ExitCode, s.Error)
	case s.Status == "restarting":
		say("%s ended with exit code %d, and waits to be started again by its policy %s (%d times so far).", name,
			s.ExitCode, c.Restart, s.Restarts)
	case s.OOMKilled && c.Memory > 0:
		say("%s was killed by the kernel: it reached its memory limit of %s.%s", name,
			units.BytesSize(float64(c.Memory)), more(c))
	case s.OOMKilled:
		say("%s was killed by the kernel: the machine, or a group above it, was out of memory.", name)
	case s.Error != "":
		say("%s ended with exit code %d: %s.", name, s.ExitCode, strings.TrimSuffix(s.Error, "."))
	case c.Signal != "":
		say("%s was ended by signal %s (exit code %d)%s", name, c.Signal, s.ExitCode, sender(c))
	case s.ExitCode == 0:
		say("%s ended by itself, with success: its command %q had nothing left to do.", name, c.Command)
	default:
		say("%s ended by itself: its command %q returned %d.", name, c.Command, s.ExitCode)
	}
	if s.Alive() && s.OOMKilled {
		say("Since then the kernel killed a process of it for want of memory.%s", more(c))
	}
	if s.ExitCode == 139 && !s.OOMKilled {
		say("A program that ends so touched memory that is not its own: often a library of another system or processor.")
	}
	if c.Checks.Status == "unhealthy" {
		n := len(c.Checks.Log)
		say("It is unhealthy: the last %d checks failed, the last with %d: %s", c.Checks.FailingStreak,
			c.Checks.Log[n-1].ExitCode, strings.TrimSpace(c.Checks.Log[n-1].Output))
	}
	return lines
}

// more is how a container gets more memory than its limit; "" for one without.
func more(c engine.Cause) string {
	if c.Memory <= 0 {
		return ""
	}
	return fmt.Sprintf(" Give it more with 'update --memory %dm %s'.", 2*c.Memory>>20, c.Name)
}

func sender(c engine.Cause) string {
	switch {
	case c.Stopped && c.Signal == "SIGKILL":
		return ": it was stopped, and did not end by its stop signal in time. Give it longer with '--stop-timeout'."
	case c.Stopped:
		return ": it was stopped."
	case c.Sent:
		return ", which a command sent: kill, rm --force or restart."
	}
	return ", which no command of cove sent: it sent that itself, or a process of the host did."
}

// showLast prints the end of what it wrote.
func showLast(ctx context.Context, a *app.App, eng *engine.Engine, c engine.Cause) error {
	if c.State.Alive() || c.State.StartedAt.IsZero() {
		return nil
	}
	var out strings.Builder
	err := eng.Logs(ctx, c.ID, containers.LogOptions{Tail: lastLines}, &out, &out)
	if errors.Is(err, errdefs.ErrUnsupported) || err == nil && out.Len() == 0 {
		return nil // it keeps no log, or wrote nothing
	}
	if err == nil {
		text := strings.TrimRight(out.String(), "\n")
		fmt.Fprintf(a.Out, "It wrote last:\n  %s\n", strings.ReplaceAll(text, "\n", "\n  "))
	}
	return err
}
