// Package record is what is kept on disk of one container: what it was asked to
// be (config.json, written once), what became of it (state.json) and the lock
// that its monitor holds for its life.
package record

import (
	"fmt"
	"strconv"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
	"cove/internal/leanjson"
	"cove/layers/mount"
	"cove/network"
)

// Config is what a container was asked to be. It is written once, by Create,
// as config.json; what may change later is kept apart: the name (the file "name"),
// and what Updated has.
type Config struct {
	// ID is 64 hex digits; Create makes one when it is empty.
	ID string `json:"id"`
	// Name is unique among containers; Create makes one when it is empty.
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	// Image is the name the user gave, ImageID the digest of its config.
	Image   string `json:"image,omitempty"`
	ImageID string `json:"imageID,omitempty"`
	// Platform is the image's, OS/ARCH[/VARIANT].
	Platform string `json:"platform,omitempty"`

	// Spec is the whole runtime spec (defaults has its tables). Its Root is
	// ignored: Root below is what is mounted. The runner adds binds of
	// /etc/hosts, /etc/hostname and /etc/resolv.conf, and the cgroup path.
	Spec *specs.Spec `json:"spec"`
	Root mount.Mount `json:"root"`
	// SnapshotKey is the snapshot that Root writes to; it is one of Roots and
	// removed with the container.
	SnapshotKey string `json:"snapshotKey,omitempty"`

	Terminal   bool `json:"terminal,omitempty"`
	OpenStdin  bool `json:"openStdin,omitempty"`
	AutoRemove bool `json:"autoRemove,omitempty"`
	// StdinStays leaves an open standard input open when the input of who is attached
	// ends; without it the first end is the container's, too.
	StdinStays bool `json:"stdinStays,omitempty"`
	// StopSignal is a name or number, default SIGTERM; StopTimeout is how long
	// Stop waits before SIGKILL: nil is 10 s, less than nothing is for ever.
	StopSignal  string         `json:"stopSignal,omitempty"`
	StopTimeout *time.Duration `json:"stopTimeout,omitempty"`

	Network network.Config `json:"network"`
	Shared  Shared         `json:"shared,omitzero"`
	// Init has cove-runtime, at InitPath, run what Spec would execute.
	Init    bool          `json:"init,omitempty"`
	Restart RestartPolicy `json:"restart,omitzero"`
	// Health is nil for a container that is not checked.
	Health *HealthCheck      `json:"health,omitempty"`
	Log    LogConfig         `json:"log,omitzero"`
	Labels map[string]string `json:"labels,omitempty"`
	// Mounts are the volumes and paths of the host among Spec.Mounts.
	Mounts []Mounted `json:"mounts,omitempty"`
	// Runtime is the program that starts it, if that is not cove's own.
	Runtime *Runtime `json:"runtime,omitempty"`
	// Asked is nil for a container that was not made from an image and flags.
	Asked *Asked `json:"asked,omitempty"`
}

// Runtime is an OCI runtime that is not cove's own.
type Runtime struct {
	Name string `json:"name"`
	// Path is the program, Args are given to it before anything else.
	Path string   `json:"path"`
	Args []string `json:"args,omitempty"`
}

// InitPath is where a container with an init of ours sees it, as docker has it.
const InitPath = "/sbin/docker-init"

// RestartPolicy says when a container that has ended is started again; the zero
// value is never.
type RestartPolicy struct {
	Name string `json:"name,omitempty"`
	// Max is how often after a failure; 0 is without end.
	Max int `json:"max,omitempty"`
}

// The policies, in docker's words.
const (
	RestartAlways        = "always"
	RestartUnlessStopped = "unless-stopped"
	RestartOnFailure     = "on-failure"
)

// String writes the policy as flags have it.
func (p RestartPolicy) String() string {
	switch {
	case p.Name == "":
		return "no"
	case p.Max > 0:
		return p.Name + ":" + strconv.Itoa(p.Max)
	}
	return p.Name
}

// LogConfig bounds the log. The zero value is docker's json-file format,
// rotated at 10 MB, three files kept.
type LogConfig struct {
	// Driver is "json-file" (or empty), "local", "none", or one that sends lines
	// elsewhere: "syslog", "journald". Those keep a log here, too, unless NoCache.
	Driver  string `json:"driver,omitempty"`
	NoCache bool   `json:"noCache,omitempty"`
	// Options are those that were given, Fields the labels and variables of the
	// container that are kept or sent with its lines.
	Options map[string]string `json:"options,omitempty"`
	Fields  map[string]string `json:"fields,omitempty"`
	MaxSize int64             `json:"maxSize,omitempty"` // bytes; 0 is 10 MB
	MaxFile int               `json:"maxFile,omitempty"` // 0 is 3
	// MaxAge is how old a line becomes; 0 is as old as there is room.
	MaxAge time.Duration `json:"maxAge,omitempty"`
}

// Kept reports whether there is a log to be read.
func (c LogConfig) Kept() bool { return c.Driver != "none" && !c.NoCache }

// Status is where a container is in its life.
type Status string

// The statuses, in docker's words.
const (
	Created Status = "created"
	Running Status = "running"
	Paused  Status = "paused"
	Exited  Status = "exited"
	// Restarting has ended, and is about to be started again by its policy.
	Restarting Status = "restarting"
)

// State is what became of a container.
type State struct {
	Status    Status `json:"status"`
	Pid       int    `json:"pid,omitempty"`        // of the container's first process, on the host
	Monitor   int    `json:"monitorPid,omitempty"` // of its parent
	ExitCode  int    `json:"exitCode"`
	OOMKilled bool   `json:"oomKilled,omitempty"`
	// Error says why it could not start, or why its end is not its own.
	Error      string    `json:"error,omitempty"`
	StartedAt  time.Time `json:"startedAt,omitzero"`
	FinishedAt time.Time `json:"finishedAt,omitzero"`
	// Restarts is how often its policy has started it since a person did; Backoff is
	// the last wait before that.
	Restarts int           `json:"restarts,omitempty"`
	Backoff  time.Duration `json:"backoff,omitempty"`
	// Network is what the container has while it runs.
	Network network.State `json:"network,omitzero"`
	// Cgroup is the path of its cgroup below each controller's mount point.
	Cgroup string `json:"cgroup,omitempty"`
	// BootID is the boot during which Status was true.
	BootID string `json:"bootID,omitempty"`
}

// ExitStatus is how a container, or an exec in it, ended, in docker's words. What
// the kernel tells of a process is a sandbox.WaitStatus.
type ExitStatus struct {
	// Code is the exit code, or 128+n for a death by signal n.
	Code      int    `json:"code"`
	OOMKilled bool   `json:"oomKilled,omitempty"`
	Error     string `json:"error,omitempty"` // of State
}

// ExecConfig is one more process in a running container.
type ExecConfig struct {
	// ID is what events call it; "" has one made.
	ID   string   `json:"id,omitempty"`
	Args []string `json:"args"`
	// Env is added over the container's own environment.
	Env []string `json:"env,omitempty"`
	// Cwd and User default to the container's own.
	Cwd        string `json:"cwd,omitempty"`
	User       string `json:"user,omitempty"`
	Terminal   bool   `json:"terminal,omitempty"`
	Privileged bool   `json:"privileged,omitempty"`
	// Detach returns when the process has started; its output is dropped.
	Detach bool `json:"detach,omitempty"`
}

// StartError is a container (or exec) that could not start. Code is docker's:
// 127 the program was not found, 126 it may not be executed, 125 anything else.
// It keeps its errdefs kind on the way between processes.
type StartError struct {
	Code int    `json:"code"`
	Msg  string `json:"msg"`
	Kind string `json:"kind,omitempty"`
}

func (e *StartError) Error() string { return e.Msg }

// Unwrap returns the errdefs kind.
func (e *StartError) Unwrap() error { return errdefs.KindNamed(e.Kind) }

// Failure reads a StartError that another process tells; what is none is an error, too.
func Failure(data []byte) error {
	var e StartError
	if err := leanjson.Unmarshal(data, &e); err != nil {
		return fmt.Errorf("monitor answered %q: %w", data, err)
	}
	return &e
}

// KindOf names the errdefs kind of an error, "" for none.
func KindOf(err error) string {
	if kind := errdefs.KindOf(err); kind != nil {
		return kind.Error()
	}
	return ""
}
