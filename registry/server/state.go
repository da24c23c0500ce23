package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"cove/registry/backup"

	"cove/errdefs"
	"cove/internal/atomicfile"
	"cove/internal/filelock"
	"cove/registry/auth/passhash"
	"cove/registry/auth/signing"
	"cove/registry/metadata"
	"cove/registry/pairing"
	"cove/registry/reserve"
	"cove/registry/schema"
	"cove/registry/server/config"
	"cove/registry/storage"
)

// state is everything that is open of a registry's root.
type state struct {
	root     *os.Root
	lock     *os.File // nil with PostgreSQL, which many servers share
	db       *metadata.DB
	storage  *storage.Storage
	keys     *signing.Keys
	hasher   *passhash.Hasher
	services Services
	clean    bool // the server before this one ended in order
}

const (
	lockFile    = "lock"
	runningFile = "running"
)

// openState opens the root and makes what is missing. A disk that is full must
// not keep a registry from starting, which is how it is emptied: then the
// reserve is given up.
func openState(ctx context.Context, cfg config.Config) (s *state, err error) {
	r := reserve.In(cfg.Root)
	err = r.Try(func() error {
		s, err = tryOpenState(ctx, cfg, r)
		return err
	})
	if err == nil && cfg.Database == "" {
		_ = r.Fill() // a full disk is met when something is to be written
	}
	return s, err
}

// tryOpenState leaves nothing open when it fails. What others on the machine
// must not read is 0600 in folders of 0700.
func tryOpenState(ctx context.Context, cfg config.Config, r *reserve.File) (_ *state, err error) {
	if err := os.MkdirAll(cfg.Root, 0o755); err != nil {
		return nil, fmt.Errorf("registry root: %w", err)
	}
	s := &state{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(false))
		}
	}()
	if s.root, err = os.OpenRoot(cfg.Root); err != nil {
		return nil, fmt.Errorf("registry root: %w", err)
	}
	if err := backup.Check(s.root); err != nil {
		return nil, err
	}
	folders := map[string]os.FileMode{"keys": 0o700, "tls": 0o755}
	if cfg.Storage.S3 == nil {
		folders["content"] = 0o700
	}
	for dir, perm := range folders {
		if err := s.root.Mkdir(dir, perm); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("registry root: %w", err)
		}
	}
	if cfg.Database == "" {
		if err := s.claim(cfg.Root); err != nil {
			return nil, err
		}
		if err := cfg.DatabaseLost(); err != nil && !cfg.BeginAnew {
			return nil, err
		}
		if err := s.makeDatabaseFile(); err != nil {
			return nil, err
		}
	}
	if s.db, err = (schema.Place{Root: s.root, DSN: cfg.DSN()}).Open(ctx, cfg.Machine); err != nil {
		return nil, err
	}
	if cfg.Database == "" {
		s.db.SetReserve(r)
	}
	if s.storage, err = storage.Open(ctx, cfg.StorageConfig(s.db)); err != nil {
		return nil, err
	}
	if err := s.pair(ctx, cfg); err != nil {
		return nil, err
	}
	keyDir, err := s.root.OpenRoot("keys")
	if err != nil {
		return nil, err
	}
	if s.keys, err = signing.Open(ctx, keyDir, s.db, s.db.Now); err != nil {
		return nil, errors.Join(err, keyDir.Close())
	}
	s.hasher = passhash.NewHasher(2)
	s.services = newServices(cfg, s.root, s.db, s.hasher)
	return s, s.markRunning(cfg.Address())
}

// claim makes this process the only one that serves the root: with SQLite the
// locks of digests are in memory.
func (s *state) claim(root string) (err error) {
	if s.lock, err = s.root.OpenFile(lockFile, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return fmt.Errorf("registry root: %w", err)
	}
	if err := filelock.Try(s.lock, filelock.Exclusive); err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable,
			"registry root %s: another registry serves it; stop that one, or use PostgreSQL to run several", root)
	}
	return nil
}

// makeDatabaseFile makes an empty database where none is. The write-ahead log of
// one that was moved away holds its newest changes, and SQLite would delete it:
// it is set aside.
func (s *state) makeDatabaseFile() error {
	if fi, err := s.root.Lstat(pairing.DatabaseFile); err == nil && fi.Size() > 0 {
		return nil
	}
	stamp := time.Now().UTC().Format(storage.AsideFormat)
	for _, name := range []string{pairing.DatabaseFile + "-wal", pairing.DatabaseFile + "-shm"} {
		if err := s.root.Rename(name, name+stamp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("registry root: %w", err)
		}
	}
	// SQLite would make it readable for all
	f, err := s.root.OpenFile(pairing.DatabaseFile, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("registry root: %w", err)
	}
	return f.Close()
}

// markRunning leaves a mark that only a stop in order removes. It says where clients are
// known to come, for commands that run beside the server and know its root alone.
func (s *state) markRunning(address string) error {
	_, err := s.root.Lstat(runningFile)
	s.clean = errors.Is(err, fs.ErrNotExist)
	return atomicfile.Write(s.root, runningFile, []byte(address+"\n"), 0o600, atomicfile.Durable)
}

// close releases everything; inOrder says that nothing was cut off.
func (s *state) close(inOrder bool) error {
	var errs []error
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.storage != nil { // the database tells its records of what it still commits
		errs = append(errs, s.storage.Close())
	}
	if inOrder && errors.Join(errs...) == nil {
		errs = append(errs, s.root.Remove(runningFile))
	}
	if s.lock != nil {
		errs = append(errs, filelock.Release(s.lock))
	}
	if s.root != nil {
		errs = append(errs, s.root.Close())
	}
	return errors.Join(errs...)
}

// firstStart makes what a registry needs before anyone can use it.
func (s *state) firstStart(ctx context.Context) (adminPassword string, err error) {
	unlock, err := s.db.Lock(ctx, "registry start") // of several servers one makes it
	if err != nil {
		return "", err
	}
	defer unlock()
	given := os.Getenv(AdminPasswordEnv)
	if adminPassword, err = s.services.Accounts.FirstAdmin(ctx, given); err != nil {
		return "", err
	}
	return adminPassword, s.services.Projects.EnsureDefault(ctx)
}

// writeAddress tells scripts where the server listens.
func writeAddress(name, address string) error {
	dir, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return fmt.Errorf("address file: %w", err)
	}
	err = atomicfile.Write(dir, filepath.Base(name), []byte(address+"\n"), 0o644, atomicfile.Durable)
	return errors.Join(err, dir.Close())
}
