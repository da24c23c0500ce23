package engine

import (
	"context"
	"time"

	"cove/engine/dockertypes"
	"cove/events"
)

// EventOptions choose what Events gives.
type EventOptions struct {
	// Since begins with what happened then; zero, without an Until, with what happens
	// from now on, and else with the oldest that is kept. Until ends the stream; zero
	// never does.
	Since, Until time.Time
	// Filter is docker's conditions, by key: container, event, image, label, network,
	// type, volume and the like.
	Filter map[string][]string
}

// EventStream gives what happens on the root of an engine, whoever does it. It is for
// one goroutine; Close it.
type EventStream struct {
	reader *events.Reader
	filter events.Filter
}

// Events gives what happens from this call on, and before it, as the options say. A
// condition that does not exist is errdefs.ErrInvalid.
func (e *Engine) Events(o EventOptions) (*EventStream, error) {
	filter := events.Filter(o.Filter)
	if err := filter.Check(); err != nil {
		return nil, err
	}
	reader, err := events.Of(e.parts.Root).Read(events.Options{Since: o.Since, Until: o.Until})
	if err != nil {
		return nil, err
	}
	return &EventStream{reader, filter}, nil
}

// Next waits for the next event. It is io.EOF when EventOptions.Until has come.
func (s *EventStream) Next(ctx context.Context) (dockertypes.Event, error) {
	for {
		e, err := s.reader.Next(ctx)
		if err != nil {
			return dockertypes.Event{}, err
		}
		if s.filter.Matches(e) {
			return dockertypes.OfEvent(e), nil
		}
	}
}

// Close ends the stream.
func (s *EventStream) Close() error { return s.reader.Close() }
