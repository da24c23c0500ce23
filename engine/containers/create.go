package containers

import (
	"cmp"
	"context"
	"errors"
	"os"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution/progress"
	"cove/engine/cdi"
	"cove/engine/containers/logging"
	"cove/engine/containers/runtimes"
	"cove/engine/machine"
	"cove/engine/mounts"
	"cove/engine/networks"
	"cove/engine/rootfs"
	"cove/engine/runspec"
	"cove/engine/uses"
	"cove/errdefs"
	"cove/images/gc"
	"cove/images/image"
	"cove/internal/filelock"
	"cove/internal/ids"
	"cove/internal/platforms"
	"cove/internal/timeline"
	"cove/layers/mount"
	"cove/runner"
	"cove/runner/record"
	"cove/runner/restart"
)

// CreateOptions is one container to be made.
type CreateOptions struct {
	runspec.Options
	// Name is unique; "" makes one up.
	Name string
	// AutoRemove removes the container when it has ended.
	AutoRemove bool
	// Restart says when it is started again instead: no, on-failure[:N], always or
	// unless-stopped; "" is no.
	Restart string
	// Pull says when the registry is asked for the image.
	Pull PullPolicy
	// LogDriver is json-file (or ""), local, none, syslog or journald; LogOptions are
	// docker's for it.
	LogDriver  string
	LogOptions map[string]string
	// Health is over the image's HEALTHCHECK.
	Health HealthOptions
	// Platform is the image's, OS/ARCH[/VARIANT]; "" is this machine's.
	Platform string
	// Runtime is the name of the OCI runtime that starts it; "" is cove's own.
	Runtime string
	// Progress is told of the image's pull, if there is one.
	Progress progress.Func
}

// Create makes a container from an image and returns its id; it does not run yet. The errors are
// of the kinds of images (errdefs.ErrNotFound: no such image), of runspec
// (errdefs.ErrInvalid) and of runner.Create (errdefs.ErrExists: the name).
func (cs *Containers) Create(ctx context.Context, o CreateOptions) (id string, err error) {
	c, lease, err := cs.create(ctx, ids.New(), o)
	if err != nil {
		return "", err
	}
	return c.ID(), lease.Release()
}

// create is Create; the lease on the snapshot, which is still held, tells a
// prune that somebody is about to start the container.
func (cs *Containers) create(
	ctx context.Context, id string, o CreateOptions,
) (*runner.Container, content.Lease, error) {
	if err := machine.NeedRoot("running a container"); err != nil {
		return nil, nil, err
	}
	r, err := cs.parts.Runner()
	if err != nil {
		return nil, nil, err
	}
	p, err := cs.prepare(ctx, id, o)
	if err != nil {
		return nil, nil, err
	}
	recorded := timeline.Begin(ctx, "record the container")
	c, err := r.Create(ctx, p.cfg)
	recorded()
	p.release()
	if err != nil {
		p.drop()
		err = errors.Join(err, cs.parts.Volumes().RemoveAnonymous(record.Made(p.cfg.Mounts)))
		p.lease.Release()
		return nil, nil, err
	}
	return c, p.lease, nil
}

// prepared is a container that is ready to be recorded. Until it is, the lease
// keeps its image and its snapshot from being collected.
type prepared struct {
	cfg   record.Config
	lease content.Lease
	drop  func() // removes the snapshot
	// ranges is held until the container's ids are on record; mostly nil.
	ranges *os.File
}

// release lets others choose ranges.
func (p *prepared) release() {
	if p.ranges != nil {
		filelock.Release(p.ranges)
		p.ranges = nil
	}
}

func (cs *Containers) prepare(ctx context.Context, id string, o CreateOptions) (*prepared, error) {
	if err := networks.Of(cs.parts).Check(ctx, &o.Options); err != nil {
		return nil, err
	}
	if err := cs.checkShared(ctx, &o.Options); err != nil {
		return nil, err
	}
	policy, err := restart.Parse(o.Restart)
	switch {
	case err != nil:
		return nil, err
	case o.AutoRemove && policy.Name != "":
		return nil, errdefs.Errorf(errdefs.ErrInvalid,
			"conflicting options: a restart policy and removal at the end cannot both be set")
	}
	if err := runspec.CheckLimits(o.Resources, machine.Limits()); err != nil {
		return nil, err
	}
	other, err := runtimes.Find(o.Runtime, cs.parts.Known, o.Shared.User)
	if err != nil {
		return nil, err
	}
	if other != nil && o.Annotations[runspec.FilesAllowed] != "" {
		return nil, errdefs.Errorf(errdefs.ErrUnsupported,
			"the runtime %s allows all files: only %s keeps a container to those that are named",
			other.Name, runtimes.Own)
	}
	store, err := cs.parts.Content()
	if err != nil {
		return nil, err
	}
	lease, err := store.Lease(ctx, gc.SnapshotPrefix+uses.SnapshotKey(id))
	if err != nil {
		return nil, err
	}
	p := &prepared{lease: lease, drop: func() {}}
	if err := cs.fill(ctx, p, id, o); err != nil {
		p.release()
		p.drop()
		lease.Release()
		return nil, err
	}
	p.cfg.Runtime = other
	return p, nil
}

// fill finds the image, stacks a writable snapshot on it, and configures the
// container there.
func (cs *Containers) fill(ctx context.Context, p *prepared, id string, o CreateOptions) error {
	found := timeline.Begin(ctx, "find the image")
	img, err := cs.imageToRun(ctx, p.lease, o)
	found()
	if err != nil {
		return err
	}
	snaps, err := cs.parts.Snapshots()
	if err != nil {
		return err
	}
	stacked := timeline.Begin(ctx, "prepare a snapshot")
	root, err := cs.stack(ctx, uses.SnapshotKey(id), img, p.lease, o.Progress)
	stacked()
	if err != nil {
		return err
	}
	p.drop = func() {
		// The caller's context may be what ended; what is left, prune finds.
		if err := snaps.Remove(context.WithoutCancel(ctx), uses.SnapshotKey(id)); err != nil {
			cs.parts.Logger.Warn("removing a container's snapshot", "container", id, "err", err)
		}
	}
	cs.warnPlatform(img, o.Platform)
	user, err := cs.mapOwners(ctx, p, &root, o.Options)
	if err != nil {
		return err
	}
	if err := rootfs.Mark(root); err != nil {
		return err
	}
	defer timeline.Begin(ctx, "write the spec, make volumes")()
	p.cfg, err = cs.configure(ctx, base{id: id, root: root, image: img, user: user, lease: p.lease}, o)
	return err
}

// base is what a container is configured on.
type base struct {
	id    string
	root  mount.Mount
	image image.Image
	user  string // as whom it runs when neither the image nor anybody says so
	// lease keeps the container's volumes from being removed until it is recorded.
	lease content.Lease
}

// configure says what the container on a base will be. After an error nothing is
// left that was made for it.
func (cs *Containers) configure(ctx context.Context, on base, o CreateOptions) (cfg record.Config, err error) {
	img := on.image.Config.Config
	who, err := rootfs.Account(ctx, on.root, cmp.Or(o.User, img.User, on.user), o.Groups...)
	if err != nil {
		return record.Config{}, err
	}
	binds, mounted, err := cs.mountsOf(ctx, on, o)
	defer func() {
		if err != nil {
			err = errors.Join(err, cs.parts.Volumes().RemoveAnonymous(record.Made(mounted)))
		}
	}()
	if err != nil {
		return record.Config{}, err
	}
	hostName, err := os.Hostname()
	if err != nil {
		return record.Config{}, err
	}
	if o.Ports, err = networks.Published(img, o.Options); err != nil {
		return record.Config{}, err
	}
	facts, err := machine.Facts(o.Options)
	if err != nil {
		return record.Config{}, err
	}
	facts.ID, facts.User, facts.Binds, facts.IDMap = on.id, who, binds, on.root.IDMap
	spec, err := runspec.Assemble(img, o.Options, facts, hostName)
	if err != nil {
		return record.Config{}, err
	}
	if err := cdi.Inject(spec, o.CDI, cdi.Dirs()); err != nil {
		return record.Config{}, err
	}
	if spec.Linux.Seccomp, err = runspec.SeccompProfile(o.Security, spec); err != nil {
		return record.Config{}, err
	}
	cfg = record.Config{
		ID: on.id, Name: strings.TrimPrefix(o.Name, "/"), Created: cs.parts.Now().UTC(),
		Image: o.Image, ImageID: on.image.ID.String(), Platform: platforms.Format(on.image.Config.Platform),
		Spec: spec, Root: on.root, SnapshotKey: uses.SnapshotKey(on.id),
		Terminal: o.TTY, OpenStdin: o.Stdin, StdinStays: o.Stdin && o.StdinStays, AutoRemove: o.AutoRemove,
		StopSignal:  stopSignal(img, o.Options),
		StopTimeout: stopTimeout(o.Options),
		Network:     networks.Config(o.Options, runspec.Hostname(o.Options, on.id, hostName), on.root.IDMap),
		Shared:      o.Shared,
		Init:        o.Init,
		Labels:      runspec.Labels(img, o.Options),
		Mounts:      mounted,
		Asked:       runspec.Asked(img, o.Options),
	}
	err = watched(&cfg, on.image, o)
	return cfg, err
}

func (cs *Containers) mountsOf(
	ctx context.Context, on base, o CreateOptions,
) ([]runspec.Bind, []record.Mounted, error) {
	return mounts.Container{
		Parts: cs.parts, Root: on.root, Volumes: on.image.Config.Config.Volumes, Lease: on.lease, Progress: o.Progress,
		Image: func(ctx context.Context, name string) (image.Image, error) {
			other := o
			other.Image = name
			return cs.imageToRun(ctx, on.lease, other)
		},
		Other: func(ctx context.Context, name string) (record.Config, error) {
			c, err := cs.Container(ctx, name)
			if err != nil {
				return record.Config{}, err
			}
			return c.Config(), nil
		},
	}.Resolve(ctx, o.Options)
}

// watched says what its monitor does for a container while it runs, and after.
func watched(cfg *record.Config, img image.Image, o CreateOptions) (err error) {
	if cfg.Restart, err = restart.Parse(o.Restart); err != nil {
		return err
	}
	if cfg.Health, err = healthCheck(img, o.Health); err != nil {
		return err
	}
	cfg.Asked.NoHealth = o.Health.None
	if cfg.Log, err = logging.Config(o.LogDriver, o.LogOptions); err == nil && cfg.Log.Options != nil {
		cfg.Log.Fields = logging.Fields(cfg.Log.Options, cfg.Labels, cfg.Spec.Process.Env)
	}
	return err
}

func stopSignal(img ocispec.ImageConfig, o runspec.Options) string {
	if o.StopSignal != "" {
		return o.StopSignal
	}
	return img.StopSignal
}

func stopTimeout(o runspec.Options) *time.Duration {
	if o.StopTimeout == nil {
		return nil
	}
	d := Seconds(*o.StopTimeout)
	return &d
}
