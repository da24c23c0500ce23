package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"cove/errdefs"
	"cove/events"
	"cove/internal/atomicfile"
	"cove/internal/ids"
	"cove/internal/leanjson"
	"cove/internal/process"
	"cove/runner/record"
	"cove/runner/signals"
)

func validName(name string) error {
	if !ids.ValidName(name) {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"invalid container name %q: only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed, 2 to 128 of them", name)
	}
	return nil
}

// Create records a container; nothing runs yet. Unless it is AutoRemove, the
// record is durable. A name in use is errdefs.ErrExists and says by whom.
func (r *Runner) Create(ctx context.Context, cfg record.Config) (*Container, error) {
	if cfg.ID == "" {
		cfg.ID = ids.New()
	}
	if !ids.Valid(cfg.ID) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "container ID %q: not 64 hex digits", cfg.ID)
	}
	if cfg.Spec == nil || cfg.Spec.Process == nil || len(cfg.Spec.Process.Args) == 0 {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "container %.12s: no command to run", cfg.ID)
	}
	if cfg.Name != "" {
		if err := validName(cfg.Name); err != nil {
			return nil, err
		}
	}
	if _, err := signals.Parse(cfg.StopSignal); err != nil {
		return nil, fmt.Errorf("stop signal: %w", err)
	}
	if cfg.Created.IsZero() {
		cfg.Created = time.Now().UTC()
	}
	if cfg.Network.Hostname == "" {
		cfg.Network.Hostname = cfg.ID[:12]
	}
	made := cfg.Name == ""
	for range 10 {
		if made {
			cfg.Name = ids.RandomName()
		}
		c, err := r.record(ctx, cfg)
		if !made || !errors.Is(err, errdefs.ErrExists) {
			return c, err
		}
	}
	return nil, errdefs.Suggest(errdefs.Errorf(errdefs.ErrExhausted,
		"container %.12s: no free name found", cfg.ID), errdefs.GiveName, "")
}

// record writes the directory under another name and renames it, so that it
// appears whole, and with a name of its own: whoever lists containers never finds one
// that is taken back because another has its name.
func (r *Runner) record(ctx context.Context, cfg record.Config) (*Container, error) {
	final := record.Of(r.opts.Root, cfg.ID)
	making := record.Dir(filepath.Join(record.Containers(r.opts.Root), record.CreatingPrefix+process.Tag()+"-"+cfg.ID))
	if err := os.MkdirAll(string(making), 0o710); err != nil {
		return nil, fmt.Errorf("container %.12s: %w", cfg.ID, err)
	}
	defer os.RemoveAll(string(making)) // renamed away when all went well
	if err := writeRecord(making, cfg); err != nil {
		return nil, fmt.Errorf("container %.12s: %w", cfg.ID, err)
	}
	if err := r.claim(ctx, cfg.Name, cfg.ID); err != nil {
		return nil, err
	}
	if err := os.Rename(string(making), string(final)); err != nil {
		err = fmt.Errorf("container %.12s: %w", cfg.ID, err)
		if errors.Is(err, os.ErrExist) {
			err = errdefs.Errorf(errdefs.ErrExists, "container %.12s exists", cfg.ID)
		}
		return nil, errors.Join(err, record.Unclaim(r.opts.Root, cfg.Name, cfg.ID))
	}
	if !cfg.AutoRemove {
		if err := errors.Join(atomicfile.SyncDir(atomicfile.Host{}, string(final)),
			atomicfile.SyncDir(atomicfile.Host{}, record.Containers(r.opts.Root))); err != nil {
			return nil, fmt.Errorf("container %.12s: %w", cfg.ID, err)
		}
	}
	c := r.container(final, cfg, cfg.Name)
	c.Tell(events.Create)
	return c, nil
}

// claim makes name stand for id. Whoever has it is reconciled first: an
// AutoRemove container whose monitor was killed gives it up.
func (r *Runner) claim(ctx context.Context, name, id string) error {
	if holder, ok := record.Lookup(r.opts.Root, name); ok && holder != id {
		if c, err := r.load(holder); err == nil {
			_, _ = c.State(ctx) // an error of that container is told to whoever asks for it
		}
	}
	return record.Claim(r.opts.Root, name, id)
}

func writeNew(path string, data []byte, durable bool) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil && durable {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// writeRecord writes the files of a container that was never started. The brief is
// made of the config, and whoever finds none makes it again: it needs no sync.
func writeRecord(to record.Dir, cfg record.Config) error {
	for _, f := range []struct {
		name    string
		value   any
		durable bool
	}{
		{"config.json", cfg, !cfg.AutoRemove},
		{record.BriefFile, cfg.Brief(), false},
		{"state.json", record.State{Status: record.Created}, !cfg.AutoRemove},
	} {
		data, err := leanjson.Marshal(f.value)
		if err != nil {
			return fmt.Errorf("encoding %s: %w", f.name, err)
		}
		if err := writeNew(to.Path(f.name), data, f.durable); err != nil {
			return err
		}
	}
	return writeNew(to.Path("name"), []byte(cfg.Name), !cfg.AutoRemove)
}
