package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"cove/content/s3store/s3test"
	"cove/distribution/distributiontest"
	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/backup"
	"cove/registry/fsck"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
)

// backUp makes one that must be whole.
func (p place) backUp(to backup.Target, err error) backup.Summary {
	p.t.Helper()
	must(p.t, err)
	done, err := Backup(p.t.Context(), p.config(), to, func(dgst digest.Digest, err error) { p.t.Errorf("%s: %v", dgst, err) })
	must(p.t, errors.Join(err, to.Close()))
	return done
}

// restore makes one that must be whole.
func (p place) restore(from backup.Reader, err error) {
	p.t.Helper()
	must(p.t, err)
	done, err := Restore(p.t.Context(), p.config(), from, func(f fsck.Finding) { p.t.Errorf("found %+v", f) })
	must(p.t, errors.Join(err, from.Close()))
	if done.Checked.Contents != done.Blobs || done.Blobs == 0 {
		p.t.Errorf("restored %+v", done)
	}
}

// TestBackupOfEveryKind moves a registry from each kind of place to each other: by
// a folder, by an archive, twice over, and what is served is the same.
func TestBackupOfEveryKind(t *testing.T) {
	t.Setenv(AdminPasswordEnv, testPassword)
	service, postgres := s3test.Start(t), metadatatest.Postgres(t)
	kinds := map[string]func() place{
		"folder and SQLite":     func() place { return place{t: t, root: metadatatest.Dir(t)} },
		"folder and PostgreSQL": func() place { return place{t: t, root: metadatatest.Dir(t), dsn: postgres.New(t)} },
		"bucket and PostgreSQL": func() place {
			return place{t: t, root: metadatatest.Dir(t), dsn: postgres.New(t), s3: bucketOf(service)}
		},
	}
	for from, makeFrom := range kinds {
		p, folder := makeFrom(), filepath.Join(metadatatest.Dir(t), "backup")
		images := map[string]distributiontest.Image{}
		must(t, p.start(p.config(), func(s *Server) {
			images["v1"], images["v2"] = p.push(s, 10, "v1"), p.push(s, 20, "v2")
			must(t, s.state.services.Accounts.Add(t.Context(), auth.Operator(), "alice", "correct horse battery", false))
			p.backUp(backup.ToFolder(folder))
			must(t, s.registry.DeleteTag(asAdmin(t.Context()), "team/app", "v2"))
			images["v3"] = p.push(s, 30, "v3")
			p.backUp(backup.ToFolder(folder))
		}))
		var archived bytes.Buffer
		p.backUp(backup.ToStream(&archived), nil)
		readers := map[string]func() (backup.Reader, error){
			"folder": func() (backup.Reader, error) { return backup.FromFolder(folder) },
			"archive": func() (backup.Reader, error) {
				return backup.FromStream(bytes.NewReader(archived.Bytes()), "test"), nil
			},
		}
		for to, makeTo := range kinds {
			shape := "folder"
			if from == to {
				shape = "archive"
			}
			t.Run(from+" to "+to+" by "+shape, func(t *testing.T) {
				q := makeTo()
				q.t = t
				q.restore(readers[shape]())
				must(t, q.start(q.config(), func(s *Server) {
					q.serves(s, []string{"v1", "v3"}, images)
					if _, err := s.state.db.UserByName(t.Context(), "alice"); err != nil {
						t.Error(err)
					}
					if got, err := s.registry.Collect(t.Context()); err != nil || got.Blobs > 0 {
						t.Errorf("collected %+v, %v", got, err)
					}
				}))
				again, err := readers[shape]()
				must(t, err)
				_, err = Restore(t.Context(), q.config(), again, func(fsck.Finding) {})
				if err = errors.Join(err, again.Close()); !errors.Is(err, errdefs.ErrConflict) {
					t.Errorf("restored over a registry: %v", err)
				}
			})
		}
	}
}

// TestBackupDuringPushes backs up again and again while images are pushed, and
// restores each: every image that a tag names is whole.
func TestBackupDuringPushes(t *testing.T) {
	t.Setenv(AdminPasswordEnv, testPassword)
	p := place{t: t, root: metadatatest.Dir(t)}
	must(t, p.start(p.config(), func(s *Server) {
		var pushing sync.WaitGroup
		pushing.Go(func() {
			for n := range uint64(20) {
				tag := fmt.Sprintf("v%02d", n)
				p.push(s, 100+n, tag)
				if n%3 == 2 {
					if err := s.registry.DeleteTag(asAdmin(t.Context()), "team/app", tag); err != nil {
						t.Error(err)
					}
				}
				if _, err := s.registry.Collect(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
		for range 3 {
			dir := metadatatest.Dir(t)
			p.backUp(backup.ToFolder(dir))
			q := place{t: t, root: filepath.Join(metadatatest.Dir(t), "root")}
			from, err := backup.FromFolder(dir)
			must(t, err)
			_, err = Restore(t.Context(), q.config(), from, func(f fsck.Finding) { t.Errorf("found %+v", f) })
			must(t, errors.Join(err, from.Close()))
		}
		pushing.Wait()
	}))
}

// TestBackupsThatAreNotWhole: what is cut off, damaged or lost is said, and a
// restore of what is not whole is begun again.
func TestBackupsThatAreNotWhole(t *testing.T) {
	t.Setenv(AdminPasswordEnv, testPassword)
	p := place{t: t, root: metadatatest.Dir(t)}
	images := map[string]distributiontest.Image{}
	must(t, p.start(p.config(), func(s *Server) { images["v1"], images["v2"] = p.push(s, 1, "v1"), p.push(s, 2, "v2") }))
	var whole bytes.Buffer
	p.backUp(backup.ToStream(&whole), nil)
	verify := func(b []byte) (found []string, err error) {
		_, err = backup.Verify(t.Context(), backup.FromStream(bytes.NewReader(b), "test"), func(err error) { found = append(found, err.Error()) })
		return found, err
	}
	if found, err := verify(whole.Bytes()); err != nil || len(found) > 0 {
		t.Errorf("whole: %v, %v", found, err)
	}
	blob := bytes.Index(whole.Bytes(), images["v1"].Manifest.Body)
	damaged := bytes.Clone(whole.Bytes())
	damaged[blob+3] ^= 1
	if found, err := verify(damaged); err != nil || len(found) != 1 || !strings.Contains(found[0], images["v1"].Manifest.Descriptor.Digest.String()) {
		t.Errorf("damaged: %v, %v", found, err)
	}
	q := place{t: t, root: metadatatest.Dir(t)}
	restore := func(b []byte) error {
		_, err := Restore(t.Context(), q.config(), backup.FromStream(bytes.NewReader(b), "test"), func(f fsck.Finding) { t.Errorf("found %+v", f) })
		return err
	}
	for name, b := range map[string][]byte{"cut off": whole.Bytes()[:whole.Len()/2], "damaged": damaged} {
		if err := restore(b); err == nil || name == "cut off" && !strings.Contains(err.Error(), "ends in its middle") {
			t.Errorf("%s: restored, or said as %v", name, err)
		}
		if err := q.start(q.config(), func(*Server) { t.Error("half a registry serves") }); !errors.Is(err, errdefs.ErrConflict) {
			t.Errorf("%s: served: %v", name, err)
		}
	}
	must(t, restore(whole.Bytes()))
	must(t, q.start(q.config(), func(s *Server) { q.serves(s, []string{"v1", "v2"}, images) }))

	// What the registry has lost itself.
	must(t, os.Remove(filepath.Join(p.root, "content", "blobs", "sha256", images["v2"].Manifest.Descriptor.Digest.Encoded())))
	for _, to := range []backup.Target{backup.ToStream(io.Discard), mustFolder(t)} {
		told := 0
		done, err := Backup(t.Context(), p.config(), to, func(digest.Digest, error) { told++ })
		if err = errors.Join(err, to.Close()); err != nil || told != 1 || len(done.Missing) != 1 {
			t.Errorf("of a registry that lost something: %+v, %v, told %d", done, err, told)
		}
	}
	// A folder in which a first backup was killed before it had anything is taken
	// again; one that holds something else is not.
	begun, other := t.TempDir(), t.TempDir()
	must(t, errors.Join(os.WriteFile(filepath.Join(begun, "backup.begun"), nil, 0o600), os.Mkdir(filepath.Join(begun, "content"), 0o700),
		os.Mkdir(filepath.Join(other, "content"), 0o700)))
	to, err := backup.ToFolder(begun)
	must(t, err)
	must(t, to.Close())
	for what, dir := range map[string]string{"the root of a registry": p.root, "somebody's folder": other} {
		if _, err := backup.ToFolder(dir); !errors.Is(err, errdefs.ErrConflict) {
			t.Errorf("into %s: %v", what, err)
		}
	}
}

func mustFolder(t *testing.T) backup.Target {
	t.Helper()
	to, err := backup.ToFolder(t.TempDir())
	must(t, err)
	return to
}

// TestUpgradeAndRollback goes down to each version of the schema, restores a
// backup of that age, and serves it by this release.
func TestUpgradeAndRollback(t *testing.T) {
	t.Setenv(AdminPasswordEnv, testPassword)
	postgres := metadatatest.Postgres(t)
	for _, p := range []place{{t: t, root: metadatatest.Dir(t)}, {t: t, root: metadatatest.Dir(t), dsn: postgres.New(t)}} {
		images := map[string]distributiontest.Image{}
		must(t, p.start(p.config(), func(s *Server) { images["v1"] = p.push(s, 1, "v1") }))
		all, current, err := SchemaVersions(t.Context(), p.config())
		must(t, err)
		if n := len(all); current != all[n-1].Number || all[n-1].Applied.IsZero() {
			t.Errorf("at %d, %+v", current, all[n-1])
		}
		for _, v := range all {
			if v.Number < 9 && v.Number != 6 {
				continue // of before the first release
			}
			done, err := MigrateTo(t.Context(), p.config(), v.Number)
			if err != nil || done.To != v.Number || done.From != done.To && done.Copy == "" {
				t.Fatalf("to %d: %+v, %v", v.Number, done, err)
			}
			must(t, p.start(p.config(), func(s *Server) { p.serves(s, []string{"v1"}, images) }))
		}
		copies, err := os.ReadDir(filepath.Join(p.root, "before-migration"))
		if err != nil || len(copies) != 3 {
			t.Errorf("%d copies, %v", len(copies), err)
		}
		m, err := metadata.Open(t.Context(), metadata.Config{DSN: filepath.Join(p.root, "before-migration", copies[0].Name())})
		must(t, err)
		if knows, err := m.KnowsContent(t.Context()); err != nil || !knows {
			t.Errorf("the copy knows content: %v, %v", knows, err)
		}
		must(t, m.Close())
	}
}
