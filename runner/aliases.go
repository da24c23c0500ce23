package runner

import "cove/runner/record"

// What is kept of a container is defined in package record, which its monitor
// shares.
type (
	// Config is what a container was asked to be.
	Config = record.Config
	// LogConfig bounds its log.
	LogConfig = record.LogConfig
	// State is what became of it.
	State = record.State
	// Status is where it is in its life.
	Status = record.Status
	// ExitStatus is how a process ended.
	ExitStatus = record.ExitStatus
	// ExecConfig is one more process in it.
	ExecConfig = record.ExecConfig
	// StartError is a process that could not start.
	StartError = record.StartError
)

// The statuses, in docker's words.
const (
	Created = record.Created
	Running = record.Running
	Paused  = record.Paused
	Exited  = record.Exited
)
