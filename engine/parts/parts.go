// Package parts opens what an engine is made of, the stores of one state root,
// each when it is first asked for: start-up is paid by each run of a command.
package parts

import (
	"context"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/state"
	"cove/content/fsstore"
	"cove/distribution/client/credentials"
	"cove/engine/config"
	"cove/errdefs"
	"cove/images"
	"cove/images/image"
	"cove/images/remote"
	"cove/layers/snapshot"
	"cove/runner"
	"cove/volume"
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

// Parts are safe for concurrent use, and several processes may have those of one
// root.
type Parts struct {
	Config
	content   func() (*fsstore.Store, error)
	snapshots func() (snapshot.Store, error)
	known     func() (config.Registries, error)
	registry  func() (remote.Registries, error)
	images    func() (*images.Store, error)
	runner    func() (*runner.Runner, error)
}

// Of returns the parts of a root. It touches nothing: what is broken is found by
// the first call that needs it. A root that is no absolute path is
// errdefs.ErrInvalid.
func Of(cfg Config) (*Parts, error) {
	p := &Parts{Config: cfg.withDefaults()}
	if !filepath.IsAbs(p.Root) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "engine: the state root %q is not an absolute path", p.Root)
	}
	p.content = sync.OnceValues(func() (*fsstore.Store, error) {
		return fsstore.Open(p.ContentDir(), fsstore.Options{})
	})
	p.snapshots = sync.OnceValues(p.openSnapshots)
	p.known = sync.OnceValues(p.readRegistries)
	p.registry = sync.OnceValues(p.openRegistry)
	p.images = sync.OnceValues(p.openImages)
	p.runner = sync.OnceValues(p.openRunner)
	return p, nil
}

// Content has the blobs of images.
func (p *Parts) Content() (*fsstore.Store, error) { return p.content() }

// ContentDir is the folder of the blobs.
func (p *Parts) ContentDir() string { return p.dir("images") }

// Snapshots has the unpacked layers, and what containers write.
func (p *Parts) Snapshots() (snapshot.Store, error) { return p.snapshots() }

// Images has the local images.
func (p *Parts) Images() (*images.Store, error) { return p.images() }

// Runner has the containers.
func (p *Parts) Runner() (*runner.Runner, error) { return p.runner() }

// Container finds a container by name, id, or a prefix of its id. The errors are
// runner.Get's, in docker's words.
func (p *Parts) Container(ctx context.Context, ref string) (*runner.Container, error) {
	r, err := p.runner()
	if err != nil {
		return nil, err
	}
	return r.Get(ctx, ref)
}

// Volumes has the volumes.
func (p *Parts) Volumes() *volume.Store { return volume.Open(p.Root) }

// Registry is the client of registries, and Known what is configured of them.
func (p *Parts) Registry() (remote.Registries, error) { return p.registry() }

// Known is described at Registry.
func (p *Parts) Known() (config.Registries, error) { return p.known() }

// BuildDir is where builds keep their own state, and Builds is what they left there.
func (p *Parts) BuildDir() string { return p.dir("build") }

// Builds is described at BuildDir.
func (p *Parts) Builds() *state.State { return state.Open(p.BuildDir(), p.Now) }

func (p *Parts) dir(name string) string { return filepath.Join(p.Root, name) }

func (p *Parts) openRunner() (*runner.Runner, error) {
	return runner.Open(runner.Options{
		Root: p.Root, Run: p.Run, RuntimePath: p.RuntimePath,
		RemoveSnapshot: func(ctx context.Context, key string) error {
			s, err := p.snapshots()
			if err != nil {
				return err
			}
			return s.Remove(ctx, key)
		},
	})
}

func (p *Parts) openImages() (*images.Store, error) {
	store, err := p.content()
	if err != nil {
		return nil, err
	}
	snaps, err := p.snapshots()
	if err != nil {
		return nil, err
	}
	return images.Open(images.Config{
		Root: p.Root, Content: store, ContentDir: p.ContentDir(),
		Snapshots: snaps, Registry: p.registry, Known: p.KnownRegistry, Verify: p.verify, InUse: p.inUse, Now: p.Now,
	})
}

// inUse visits what containers and the build cache keep from collection.
func (p *Parts) inUse(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		r, err := p.runner()
		if err != nil {
			yield("", err)
			return
		}
		for ref, err := range r.Roots(ctx) {
			if !yield(ref, err) || err != nil {
				return
			}
		}
		for ref, err := range p.Builds().Roots(ctx) {
			if !yield(ref, err) || err != nil {
				return
			}
		}
	}
}

// Changes makes a config of Dockerfile instructions that only change the
// config, as CMD, over that of an image of a platform, whose variables they can
// expand. Its errors are about the instructions (errdefs.ErrInvalid).
type Changes func(ctx context.Context, instructions []string, of ocispec.Image) (image.Config, error)

// Apply makes a config of Dockerfile instructions that only change the config; an
// engine that was opened without Changes refuses them.
func (p *Parts) Apply(ctx context.Context, changes []string, of ocispec.Image) (image.Config, error) {
	if len(changes) == 0 {
		return image.Config{}, nil
	}
	if p.Changes == nil {
		return image.Config{}, errdefs.Errorf(errdefs.ErrUnsupported,
			"engine: it was opened without a way to apply Dockerfile instructions")
	}
	return p.Changes(ctx, changes, of)
}
