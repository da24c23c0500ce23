package metadata_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/reserve"
)

// TestFullDiskOfPostgres: a full disk is said to be one, and what makes room gets the
// reserve's, where the database is on the same disk.
func TestFullDiskOfPostgres(t *testing.T) {
	t.Parallel()
	if os.Getenv(metadatatest.PostgresEnv) != "" {
		t.Skip("needs a server of its own, whose disk it may fill")
	}
	dsn := metadatatest.Postgres(t).New(t)
	disk := smallDisk(t)
	admin, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	_, err = admin.ExecContext(t.Context(), "CREATE TABLESPACE small LOCATION '"+filepath.Join(disk, "space")+"'")
	if err = errors.Join(err, admin.Close()); err != nil {
		t.Fatal(err)
	}
	m, err := metadata.Open(t.Context(), metadata.Config{DSN: dsn + "&options=-c%20default_tablespace%3Dsmall", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	m.SetReserve(reserve.In(disk))
	if err := m.Roomy(); err != nil {
		t.Fatal(err)
	}
	people := 0
	add := func(ctx context.Context, tx *metadata.Tx) error {
		people++
		hash := make([]byte, 6<<10)
		for i := range hash {
			hash[i] = byte('a' + rand.IntN(26))
		}
		return tx.AddUser(ctx, fmt.Sprintf("user-%d", people), string(hash), false)
	}
	for err = nil; err == nil && people < 20_000; {
		err = m.Update(t.Context(), add)
	}
	if !errors.Is(err, errdefs.ErrExhausted) || !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("after %d writes: %v, want a full disk", people, err)
	}
	if err := m.MakeRoom(t.Context(), add); err != nil {
		t.Errorf("a write that takes the reserve: %v", err)
	}
	if err := m.Roomy(); !errors.Is(err, errdefs.ErrExhausted) {
		t.Errorf("without a reserve: %v", err)
	}
}

// smallDisk is a file system of 40 MB with a folder "space" of PostgreSQL's.
func smallDisk(t *testing.T) string {
	t.Helper()
	u, err := user.Lookup("postgres")
	if os.Geteuid() != 0 || err != nil {
		t.Skipf("needs root, to mount a file system, and the user postgres: %v", err)
	}
	dir, err := os.MkdirTemp("/dev/shm", "cove-test-") //nolint:usetesting // PostgreSQL's user may not look into t.TempDir
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = os.Remove(dir) })
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=40m,mode=0755"); err != nil {
		t.Skipf("mounting a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	space := filepath.Join(dir, "space")
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := errors.Join(os.Mkdir(space, 0o700), os.Chown(space, uid, gid)); err != nil {
		t.Fatal(err)
	}
	return dir
}
