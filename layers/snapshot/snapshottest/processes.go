package snapshottest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"cove/errdefs"
	"cove/layers/snapshot"
)

const (
	workerEnv   = "COVE_SNAPSHOTTEST_ROOT"
	workers     = 8
	rounds      = 15
	sharedNames = 5
)

// Main is for TestMain: it runs the tests, or what one of several processes
// does to a root that they share.
func Main(m *testing.M, open New) {
	root := os.Getenv(workerEnv)
	if root == "" {
		os.Exit(m.Run())
	}
	if err := work(context.Background(), root, open); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// processes: eight of them make, commit and remove the same names at once.
func processes(t *testing.T, open New) {
	root := t.TempDir()
	exe, err := os.Executable()
	check(t, err)
	cmds := make([]*exec.Cmd, workers)
	for i := range cmds {
		cmds[i] = exec.CommandContext(t.Context(), exe)
		cmds[i].Env = append(os.Environ(), workerEnv+"="+root)
		cmds[i].Stderr = os.Stderr
		check(t, cmds[i].Start())
	}
	for _, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	s, err := open(root)
	check(t, err)
	// All are gone but the shared chain, and each of that holds its file.
	infos := all(t, s)
	if len(infos) != sharedNames {
		t.Errorf("%d snapshots are left, want %d: %v", len(infos), sharedNames, infos)
	}
	for i := range sharedNames {
		m := mounts(t, s, shared(i))
		var files []string
		for j := range i + 1 {
			files = append(files, fmt.Sprintf("f%d", j))
		}
		want(t, m, files...)
	}
	check(t, s.Clean(t.Context()))
	dirs, err := filepath.Glob(filepath.Join(root, "????????"))
	if err != nil || len(dirs) != sharedNames {
		t.Errorf("%d directories are left, want %d", len(dirs), sharedNames)
	}
}

func shared(i int) string { return fmt.Sprintf("sha256:%d", i) }

func work(ctx context.Context, root string, open New) error {
	s, err := open(root)
	if err != nil {
		return err
	}
	for round := range rounds {
		parent := ""
		for i := range sharedNames {
			if err := workCommit(ctx, s, fmt.Sprintf("w/%d/%d/%d", os.Getpid(), round, i), parent, i); err != nil {
				return err
			}
			parent = shared(i)
		}
		mine := fmt.Sprintf("mine/%d", os.Getpid())
		if _, err := s.Prepare(ctx, mine, parent); err != nil {
			return err
		}
		if err := s.Remove(ctx, shared(0)); !errors.Is(err, errdefs.ErrConflict) {
			return fmt.Errorf("removing a parent: %w", err)
		}
		if err := s.Clean(ctx); err != nil {
			return err
		}
		if err := s.Remove(ctx, mine); err != nil {
			return err
		}
	}
	return nil
}

func workCommit(ctx context.Context, s snapshot.Store, key, parent string, i int) error {
	m, err := s.Prepare(ctx, key, parent)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(writable(m), fmt.Sprintf("f%d", i)), nil, 0o644); err != nil {
		return err
	}
	err = s.Commit(ctx, shared(i), key)
	if errors.Is(err, errdefs.ErrExists) {
		return nil
	}
	return err
}
