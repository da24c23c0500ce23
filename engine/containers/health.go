package containers

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"time"

	"cove/engine/dockertypes"
	"cove/errdefs"
	"cove/images/image"
	"cove/runner/record"
)

// HealthOptions is what is asked of the check of a container beyond what its image
// says; what is zero is the image's.
type HealthOptions struct {
	// None has it not checked.
	None bool
	// Command is a line for the shell, or else Args a program and its arguments.
	Command                                       string
	Args                                          []string
	Interval, Timeout, StartPeriod, StartInterval time.Duration
	Retries                                       int
	// OnFailure is none, kill, restart or stop; "" is none.
	OnFailure string
}

// shortest is the shortest time that docker takes for one of a check.
const shortest = time.Millisecond

func (o HealthOptions) check() error {
	if o.None {
		if o.None = false; !reflect.ValueOf(o).IsZero() {
			return errdefs.Errorf(errdefs.ErrInvalid, "a health check that is not to be has no other options")
		}
		return nil
	}
	for name, d := range map[string]time.Duration{
		"Interval": o.Interval, "Timeout": o.Timeout, "StartPeriod": o.StartPeriod, "StartInterval": o.StartInterval,
	} {
		if d < 0 || d > 0 && d < shortest {
			return errdefs.Errorf(errdefs.ErrInvalid, "%s in Healthcheck cannot be less than %s", name, shortest)
		}
	}
	if o.Retries < 0 {
		return errdefs.Errorf(errdefs.ErrInvalid, "Retries in Healthcheck cannot be negative")
	}
	actions := []string{"", "none", record.HealthKill, record.HealthRestart, record.HealthStop}
	if !slices.Contains(actions, o.OnFailure) {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"on the failure of a health check: %q: want none, kill, restart or stop", o.OnFailure)
	}
	return nil
}

// healthCheck is the image's with the options over it; nil is none.
func healthCheck(img image.Image, o HealthOptions) (*record.HealthCheck, error) {
	if err := o.check(); err != nil || o.None {
		return nil, err
	}
	own, err := dockertypes.HealthcheckOf(img)
	if err != nil {
		return nil, err
	}
	c := record.HealthCheck{OnFailure: strings.TrimPrefix(o.OnFailure, "none")}
	if own == nil {
		own = &dockertypes.Healthcheck{}
	}
	if c.Test = own.Test; o.Command != "" {
		c.Test = []string{"CMD-SHELL", o.Command}
	}
	if len(o.Args) > 0 {
		c.Test = append([]string{"CMD"}, o.Args...)
	}
	if len(c.Test) == 0 {
		if !reflect.ValueOf(o).IsZero() {
			return nil, errdefs.Errorf(errdefs.ErrInvalid,
				"options of a health check, and no command: image %s has no HEALTHCHECK", img.ID)
		}
		return nil, nil
	}
	c.Interval, c.Timeout = cmp.Or(o.Interval, own.Interval), cmp.Or(o.Timeout, own.Timeout)
	c.StartPeriod = cmp.Or(o.StartPeriod, own.StartPeriod)
	c.StartInterval = cmp.Or(o.StartInterval, own.StartInterval)
	c.Retries = cmp.Or(o.Retries, own.Retries)
	c.Shell, err = dockertypes.ShellOf(img)
	return &c, err
}
