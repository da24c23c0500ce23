// Package engine is the local engine as a library: it composes images, builder
// and runner on one state root, without a daemon.
//
// It is the one place that knows how an image becomes a container, and the one
// that knows every root of garbage collection: the names of images,
// containers, the build cache and live leases. Everything is opened on first
// use, because start-up is paid by each run of a command.
package engine

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"cove/builder/state"
	"cove/content/fsstore"
	"cove/distribution/client"
	"cove/distribution/client/credentials"
	"cove/engine/config"
	"cove/errdefs"
	"cove/images"
	"cove/layers/snapshot"
	"cove/runner"
)

// Config is where an engine lives. The zero value is the machine's engine.
type Config struct {
	// Root is the state root; "" is runner.DefaultRoot.
	Root string
	// Run holds what may vanish on reboot; "" is /run/cove, or Root/run when
	// Root is not the default.
	Run string
	// RuntimePath is the cove-runtime binary; "" is the one beside this
	// executable, or the one in $PATH.
	RuntimePath string
	// Credentials keeps sign-ins at registries; nil is docker's and podman's
	// files, as the environment names them.
	Credentials *credentials.Store
	// CertsDirs are where certificates of registries are, see client.Config.
	CertsDirs []string
	// Registries is what is said of them for this engine alone, on top of what
	// the files say.
	Registries config.Registries
	// Files are the machine's configuration; nil is those that the environment
	// names.
	Files *config.Files
	// Changes applies the instructions that Import and Commit are given; nil
	// refuses them. It is not part of the engine, because it needs the parser of
	// Dockerfiles (engine/builds).
	Changes Changes
	// Logger is told what happens; nil is silence.
	Logger *slog.Logger
	// Notify is told, in a sentence, what the user should know, as a fallback
	// that was taken; nil is silence.
	Notify func(string)
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	if c.Root == "" {
		c.Root = runner.DefaultRoot
	}
	if c.Run == "" {
		if c.Run = filepath.Join(c.Root, "run"); c.Root == runner.DefaultRoot {
			c.Run = "/run/cove"
		}
	}
	if c.Credentials == nil {
		c.Credentials = credentials.Open(os.Getenv)
	}
	if c.Files == nil {
		files := config.Find(os.Getenv)
		c.Files = &files
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Notify == nil {
		c.Notify = func(string) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Engine is safe for concurrent use, and several processes may have one on the
// same root.
type Engine struct {
	cfg       Config
	content   func() (*fsstore.Store, error)
	snapshots func() (snapshot.Store, error)
	known     func() (config.Registries, error)
	registry  func() (*client.Client, error)
	images    func() (*images.Store, error)
	runner    func() (*runner.Runner, error)
}

// Open returns the engine of a root. It touches nothing: what is broken is
// found by the first call that needs it.
func Open(cfg Config) (*Engine, error) {
	e := &Engine{cfg: cfg.withDefaults()}
	if !filepath.IsAbs(e.cfg.Root) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "engine: the state root %q is not an absolute path", e.cfg.Root)
	}
	e.content = sync.OnceValues(func() (*fsstore.Store, error) {
		return fsstore.Open(e.dir("images"), fsstore.Options{})
	})
	e.snapshots = sync.OnceValues(e.openSnapshots)
	e.known = sync.OnceValues(e.readRegistries)
	e.registry = sync.OnceValues(e.openRegistry)
	e.images = sync.OnceValues(e.openImages)
	e.runner = sync.OnceValues(e.openRunner)
	return e, nil
}

// Content, Snapshots, Images, Registry and Runner are the engine's parts, opened when
// they are first asked for, for work that a package beside the engine does.
func (e *Engine) Content() (*fsstore.Store, error) { return e.content() }

// Snapshots is described at Content.
func (e *Engine) Snapshots() (snapshot.Store, error) { return e.snapshots() }

// Images is described at Content; it is also for what the store of local images
// does alone: tag, save, load, history and the like.
func (e *Engine) Images() (*images.Store, error) { return e.images() }

// Registry is described at Content: the client of registries, with the sign-ins,
// certificates and mirrors that are configured.
func (e *Engine) Registry() (*client.Client, error) { return e.registry() }

// Runner is described at Content.
func (e *Engine) Runner() (*runner.Runner, error) { return e.runner() }

// BuildDir is where builds keep their own state.
func (e *Engine) BuildDir() string { return e.dir("build") }

// Now is the engine's clock.
func (e *Engine) Now() time.Time { return e.cfg.Now() }

// buildState is what builds left here.
func (e *Engine) buildState() *state.State { return state.Open(e.BuildDir(), e.Now) }

func (e *Engine) dir(name string) string { return filepath.Join(e.cfg.Root, name) }

func (e *Engine) openRunner() (*runner.Runner, error) {
	return runner.Open(runner.Options{
		Root: e.cfg.Root, Run: e.cfg.Run, RuntimePath: e.cfg.RuntimePath,
		RemoveSnapshot: func(ctx context.Context, key string) error {
			s, err := e.snapshots()
			if err != nil {
				return err
			}
			return s.Remove(ctx, key)
		},
	})
}
