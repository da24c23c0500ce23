package export

import (
	"context"

	"cove/layers"
)

// Early is an Exporter that takes layers while the rest of the image is being made.
type Early interface {
	Exporter
	// Begin is called before the first step. layer is told of each layer whose blob is
	// stored, maybe twice, and must not wait; Export is told of all again. stop ends what
	// still goes on, and waits for that: it is called after Export, or when there is none.
	// step begins a step of the build's progress.
	Begin(ctx context.Context, step func(name string) Step) (layer func(layers.Layer), stop func())
}

// Step is a step of the build's progress, beside those of the Dockerfile.
type Step interface {
	Log(text string)
	End(err error)
}

// Targets are images of a build that follow each other and have the same exporters.
type Targets struct {
	Count     int
	Exporters []Exporter
	Step      func(name string) Step
}

// Begun are the exporters of a build that take layers while others are made.
type Begun struct {
	// Layer tells of a layer of a target, by the target's number; it is nil when nobody
	// wants to know.
	Layer func(target int, l layers.Layer)
	stops []func()
}

// Begin begins those exporters that are Early. Stop it.
func Begin(ctx context.Context, all []Targets) *Begun {
	b := &Begun{}
	to := map[int][]func(layers.Layer){}
	first := 0
	for _, targets := range all {
		for _, x := range targets.Exporters {
			x, ok := x.(Early)
			if !ok {
				continue
			}
			layer, stop := x.Begin(ctx, targets.Step)
			b.stops = append(b.stops, stop)
			for i := range targets.Count {
				to[first+i] = append(to[first+i], layer)
			}
		}
		first += targets.Count
	}
	if len(b.stops) > 0 {
		b.Layer = func(target int, l layers.Layer) {
			for _, layer := range to[target] {
				layer(l)
			}
		}
	}
	return b
}

// Stop ends what still goes on, as after a failure, and waits for that.
func (b *Begun) Stop() {
	for _, stop := range b.stops {
		stop()
	}
}
