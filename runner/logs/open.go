package logs

import (
	"encoding/json"
	"errors"
	"maps"
	"time"

	"cove/runner/logs/ship"
	"cove/runner/record"
)

// Open opens where the lines of a container are kept, and where they are sent; nil is
// nowhere.
func Open(dir record.Dir, cfg record.Config) (*Writer, error) {
	c := cfg.Log
	if c.Driver == "none" {
		return nil, nil //nolint:nilnil // as said above
	}
	path := dir.Log()
	if c.NoCache {
		path = ""
	}
	w, err := Create(path, c.MaxSize, c.MaxFile, time.Now)
	if err != nil || len(c.Options) == 0 && c.Driver != ship.Syslog && c.Driver != ship.Journald {
		return w, err
	}
	name, err := dir.Name()
	if err == nil {
		err = w.extend(c, ship.Container{
			ID: cfg.ID, Name: name, Image: cfg.Image, ImageID: cfg.ImageID, Fields: c.Fields,
		})
	}
	if err == nil {
		err = w.KeepFor(c.MaxAge)
	}
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// extend does what the options of a driver say, beyond the size of files: lines are
// sent, have attributes, or wait while what prints them does not.
func (w *Writer) extend(c record.LogConfig, of ship.Container) (err error) {
	if c.Driver == ship.Syslog || c.Driver == ship.Journald {
		w.also, err = ship.Open(c.Driver, c.Options, of)
		return err
	}
	if c.Options["mode"] == ship.NonBlocking {
		w.behind = ship.Queued(toFile{w}, ship.BufferSize(c.Options))
	}
	attrs := maps.Clone(of.Fields)
	if template := c.Options["tag"]; template != "" {
		tag, err := ship.Tag(template, of)
		if err != nil {
			return err
		}
		if attrs == nil {
			attrs = map[string]string{}
		}
		attrs["tag"] = tag
	}
	if len(attrs) == 0 {
		return nil
	}
	text, err := json.Marshal(attrs)
	w.attrs = append([]byte(`,"attrs":`), text...)
	return err
}

// toFile writes entries that waited.
type toFile struct{ w *Writer }

// Send implements ship.Shipper.
func (f toFile) Send(entries ship.Message) error { return f.w.store(entries.Text) }

// Close implements ship.Shipper; the Writer closes its file itself.
func (f toFile) Close() error { return nil }
