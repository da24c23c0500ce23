package builder

import (
	"context"

	"cove/builder/dockerfile"
	"cove/builder/source"
)

// Described is a Dockerfile that was read and not built.
type Described struct {
	// Stages are all that can be built, Outline is what the target can be given.
	Stages  []dockerfile.Stage
	Outline dockerfile.Outline
}

// Describe reads a build's Dockerfile and says what it offers. It asks for no
// image and executes nothing.
func (b *Builder) Describe(ctx context.Context, req Request) (d *Described, err error) {
	if err := req.complete(); err != nil {
		return nil, err
	}
	report := &reporter{fn: req.Progress, now: b.cfg.Now}
	files, err := source.Open(ctx, b.from(req, req.Context, report))
	if err != nil {
		return nil, err
	}
	defer func() { _ = files.Close() }()
	d = &Described{}
	d.Stages, d.Outline, err = dockerfile.Describe(ctx, files.Dockerfile, dockerfile.Options{
		Name: files.Name, Target: req.Target, BuildArgs: req.BuildArgs, Platform: req.Platforms[0],
		Build: thisPlatform(), Contexts: contexts(req.Contexts),
	})
	return d, withSource(err, files.Dockerfile)
}
