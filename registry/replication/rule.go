package replication

import (
	"time"

	"cove/registry/replication/choice"
	"cove/registry/replication/endpoint"
)

// Options are the choices of a rule.
type Options = choice.Options

// The directions of rules.
const (
	Push = choice.Push
	Pull = choice.Pull
)

// Rule is what is copied where, and when.
type Rule struct {
	ID       int64
	Name     string
	Endpoint string // its name
	Options
	Enabled bool
	By      string
	At      time.Time
	// Next is when its schedule begins a run; zero without one.
	Next time.Time
}

// checkName refuses what is no name of a rule.
func checkName(name string) error { return endpoint.CheckName("replication rule", name) }
