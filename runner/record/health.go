package record

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

// HealthCheck is how a container is asked whether it is well, in docker's terms.
// Zero durations and a zero Retries are the defaults of package health.
type HealthCheck struct {
	// Test is CMD and arguments, or CMD-SHELL and a line for the shell.
	Test []string `json:"test,omitempty"`
	// Shell executes such a line; empty is /bin/sh -c.
	Shell         []string      `json:"shell,omitempty"`
	Interval      time.Duration `json:"interval,omitempty"`
	Timeout       time.Duration `json:"timeout,omitempty"`
	StartPeriod   time.Duration `json:"startPeriod,omitempty"`
	StartInterval time.Duration `json:"startInterval,omitempty"`
	Retries       int           `json:"retries,omitempty"`
	// OnFailure is what is done with a container that has become unhealthy:
	// nothing, HealthKill, HealthRestart or HealthStop.
	OnFailure string `json:"onFailure,omitempty"`
}

// What is done with an unhealthy container, in podman's words.
const (
	HealthKill    = "kill"
	HealthRestart = "restart"
	HealthStop    = "stop"
)

// Health is what the checks of a container have told.
type Health struct {
	Status        string         `json:"status"`
	FailingStreak int            `json:"failingStreak"`
	Log           []HealthResult `json:"log,omitempty"` // the last ones, oldest first
}

// The statuses, in docker's words.
const (
	Starting  = "starting"
	Healthy   = "healthy"
	Unhealthy = "unhealthy"
)

// HealthResult is one check.
type HealthResult struct {
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	ExitCode int       `json:"exitCode"` // -1 is one that did not end in time
	Output   string    `json:"output,omitempty"`
}

const healthFile = "health.json"

// Health reads what the checks have told; ErrNotFound without any.
func (d Dir) Health() (Health, error) {
	var h Health
	return h, d.read(healthFile, &h)
}

// ForgetHealth removes what was told of an earlier life.
func (d Dir) ForgetHealth() error {
	if err := os.Remove(d.Path(healthFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// SetHealth replaces it. Only the monitor does.
func (d Dir) SetHealth(h Health) error { return d.writeJSON(healthFile, h) }
