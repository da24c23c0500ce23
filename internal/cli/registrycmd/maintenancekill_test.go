package registrycmd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/distribution/distributiontest"
)

var maintenanceKills = flag.Int("maintenance-kills", 2, "how many times each command of maintenance is killed")

const (
	keptImages, goneImages = 8, 6
	imageSize              = 150_000
)

// stocked is a stopped registry with images, and with garbage that is due.
type stocked struct {
	root, config string
	kept         map[string]digest.Digest // path of a manifest or a blob: what must be read there
}

// newStocked pushes images and deletes some of them.
func newStocked(t *testing.T) *stocked {
	t.Helper()
	s := &stocked{root: t.TempDir(), config: filepath.Join(t.TempDir(), "registry.yaml"), kept: map[string]digest.Digest{}}
	if err := os.WriteFile(s.config, []byte("gc: {interval: 1h, lease: 1ms, grace: 1ms}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := serve(t, s.root, "--tls=off", "--config", s.config)
	for n := range keptImages + goneImages {
		repo := fmt.Sprintf("kill/app%d", n%3)
		m := s.push(p, repo, n)
		if n < keptImages {
			continue
		}
		path := "/v2/" + repo + "/manifests/" + m.String()
		if status, _, body := p.do("DELETE", path, nil); status != 202 {
			t.Fatalf("delete: %d %s", status, body)
		}
	}
	p.Stop()
	return s
}

// push pushes an image, and expects those that stay.
func (s *stocked) push(p *process, repo string, n int) digest.Digest {
	p.t.Helper()
	layer, config := distributiontest.Bytes(uint64(n+1), imageSize), distributiontest.Bytes(uint64(n+1)<<32, 300)
	m := manifestOf(digest.FromBytes(config).String(), digest.FromBytes(layer).String(), len(config), len(layer))
	kept := n < keptImages
	for _, b := range [][]byte{layer, config} {
		dgst := digest.FromBytes(b)
		if status, _, body := p.do("POST", "/v2/"+repo+"/blobs/uploads/?digest="+dgst.String(), b); status != 201 {
			p.t.Fatalf("push: %d %s", status, body)
		}
		if kept {
			s.kept["/v2/"+repo+"/blobs/"+dgst.String()] = dgst
		}
	}
	path := fmt.Sprintf("/v2/%s/manifests/t%d", repo, n)
	if status, _, body := p.do("PUT", path, m, "Content-Type", manifestType); status != 201 {
		p.t.Fatalf("push: %d %s", status, body)
	}
	if kept {
		s.kept[path] = digest.FromBytes(m)
	}
	return digest.FromBytes(m)
}

// fork is a copy of the registry for one test.
func (s *stocked) fork(t *testing.T) *victim {
	t.Helper()
	v := &victim{t: t, stocked: s, dir: t.TempDir()}
	v.root = filepath.Join(v.dir, "root")
	if err := os.CopyFS(v.root, os.DirFS(s.root)); err != nil {
		t.Fatal(err)
	}
	return v
}

// victim is a registry whose commands are killed.
type victim struct {
	*stocked
	t         *testing.T
	dir, root string
	took      time.Duration // the command, to its end
	kills     int
}

func (v *victim) args(args ...string) []string {
	return append(args, "--root", v.root, "--config", v.config)
}

// must runs a command to its end.
func (v *victim) must(want string, args ...string) {
	v.t.Helper()
	if out, errs, err := run(v.t, "", args...); err != nil || !strings.Contains(out+errs, want) {
		v.t.Fatalf("%v: %v, want %q\n%s%s", args, err, want, out, errs)
	}
}

// kill runs a command and kills it after a part of the time that it takes, if it has
// not ended by then.
func (v *victim) kill(part float64, args ...string) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), time.Duration(part*float64(v.took)))
	defer cancel()
	start := time.Now()
	err := commandLine(ctx, args...).Run()
	switch {
	case err == nil:
		v.took = min(v.took, time.Since(start))
	case ctx.Err() == nil:
		v.t.Errorf("%v failed without being killed: %v", args, err)
	default:
		v.kills++
	}
}

// lost counts what a registry should have and has not.
func (v *victim) lost(root string) (lost int) {
	v.t.Helper()
	p := serve(v.t, root, "--tls=off", "--config", v.config)
	for path, dgst := range v.kept {
		lost += check(p, path, dgst)
	}
	p.Stop()
	return lost
}

// blobs are how many contents a registry stores.
func (v *victim) blobs() (n int) {
	v.t.Helper()
	err := fs.WalkDir(os.DirFS(filepath.Join(v.root, "content", "blobs")), ".", func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			n++
		}
		return err
	})
	if err != nil {
		v.t.Fatal(err)
	}
	return n
}

// interrupted is one command that is killed.
type interrupted struct {
	// before is done before each run; it returns the arguments.
	before func(v *victim, round int) []string
	// after follows what the documentation says to do after a kill, and returns the
	// root of the registry that must be whole then.
	after func(v *victim) string
}

// TestKilledMaintenance kills each command that works on a whole registry, each time
// a little later. After the command was given again nothing is lost: T01 and T04 for
// what an operator does.
func TestKilledMaintenance(t *testing.T) {
	t.Parallel()
	base := newStocked(t)
	for name, verb := range map[string]interrupted{
		"gc": {beforeGC, func(v *victim) string {
			v.must("removed", v.args("gc", "--now")...)
			if n := v.blobs(); n != 3*keptImages {
				v.t.Errorf("%d contents are stored, %d are needed", n, 3*keptImages)
			}
			return v.root
		}},
		"fsck":          {beforeFsck, afterFsck},
		"reindex":       {beforeReindex, afterReindex},
		"migrate down":  {beforeDown, afterMigrate},
		"migrate up":    {beforeUp, afterMigrate},
		"backup":        {beforeBackup, afterBackup},
		"backup .tar":   {beforeArchive, afterArchive},
		"restore":       {beforeRestore, afterRestore},
		"import":        {beforeImport, afterImport},
		"import --link": {func(v *victim, round int) []string { return append(beforeImport(v, round), "--link") }, afterImport},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := base.fork(t)
			start := time.Now()
			v.must("", verb.before(v, 0)...)
			v.took = time.Since(start)
			lost := v.lost(verb.after(v))
			for round := range *maintenanceKills {
				// The start of a process is not what is to be killed: the first fifth is left out.
				v.kill(0.2+0.8*float64(round+1)/float64(*maintenanceKills+1), verb.before(v, round+1)...)
				lost += v.lost(verb.after(v))
			}
			t.Logf("%s: %d runs, %d of them killed; %d contents and tags looked at after each, %d lost",
				name, *maintenanceKills, v.kills, len(v.kept), lost)
		})
	}
}

// anew brings the registry back to what it was.
func (v *victim) anew() {
	v.t.Helper()
	if err := errors.Join(os.RemoveAll(v.root), os.CopyFS(v.root, os.DirFS(v.stocked.root))); err != nil {
		v.t.Fatal(err)
	}
}

func beforeGC(v *victim, _ int) []string {
	v.anew()
	return v.args("gc", "--now")
}

func beforeFsck(v *victim, _ int) []string {
	v.anew()
	return v.args("fsck", "--heal")
}

func afterFsck(v *victim) string {
	v.must("0 ", v.args("fsck")...)
	return v.root
}

// beforeReindex loses the database.
func beforeReindex(v *victim, _ int) []string {
	v.anew()
	for _, name := range []string{"registry.db", "registry.db-wal", "registry.db-shm"} {
		if err := os.Remove(filepath.Join(v.root, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			v.t.Fatal(err)
		}
	}
	return v.args("reindex")
}

func afterReindex(v *victim) string {
	v.must(fmt.Sprintf("%d tags of the records; 0 contents are lost", keptImages), v.args("reindex")...)
	return v.root
}

func beforeDown(v *victim, _ int) []string {
	v.anew()
	return v.args("migrate", "down", "--to", "11")
}

func beforeUp(v *victim, round int) []string {
	v.must("", beforeDown(v, round)...)
	return v.args("migrate", "up")
}

func afterMigrate(v *victim) string {
	v.must("", v.args("migrate", "up")...)
	return v.root
}

// beforeBackup begins one of nothing, or over an older one, in turns.
func beforeBackup(v *victim, round int) []string {
	folder := filepath.Join(v.dir, "backup")
	if round%2 == 1 {
		if err := os.RemoveAll(folder); err != nil {
			v.t.Fatal(err)
		}
	}
	return v.args("backup", folder)
}

// afterBackup: what was cut off says so, or is whole; the next one is.
func afterBackup(v *victim) string {
	folder := filepath.Join(v.dir, "backup")
	out, errs, err := run(v.t, "", "restore", "--verify", folder)
	_, none := os.Stat(folder)
	if said := out + errs; err != nil && none == nil && !strings.Contains(said, "no whole backup") &&
		!strings.Contains(said, "is no backup") {
		v.t.Errorf("after a kill: %v\n%s", err, said)
	}
	return v.restoreAfter(folder)
}

// restoreAfter makes the backup again, and a registry of it.
func (v *victim) restoreAfter(to string) string {
	v.must(" contents", v.args("backup", to)...)
	v.must("0 are missing or damaged", "restore", "--verify", to)
	root := filepath.Join(v.dir, "restored")
	if err := os.RemoveAll(root); err != nil {
		v.t.Fatal(err)
	}
	v.must("0 are lost or damaged", "restore", to, "--root", root)
	return root
}

func beforeArchive(v *victim, _ int) []string {
	return v.args("backup", filepath.Join(v.dir, "backup.tar"))
}

// afterArchive: a file that has the name is whole, always.
func afterArchive(v *victim) string {
	name := filepath.Join(v.dir, "backup.tar")
	if _, err := os.Stat(name); err == nil {
		v.must("0 are missing or damaged", "restore", "--verify", name)
	}
	root := v.restoreAfter(name)
	if _, err := os.Stat(name + ".part"); !errors.Is(err, fs.ErrNotExist) {
		v.t.Errorf("%s.part is left behind: %v", name, err)
	}
	return root
}

func beforeRestore(v *victim, round int) []string {
	folder := filepath.Join(v.dir, "backup")
	if round == 0 {
		v.must(" contents", v.args("backup", folder)...)
	}
	if err := os.RemoveAll(v.half()); err != nil {
		v.t.Fatal(err)
	}
	return []string{"restore", folder, "--root", v.half(), "--config", v.config}
}

func (v *victim) half() string { return filepath.Join(v.dir, "half") }

// afterRestore: half a registry is not served, and the same command goes on.
func afterRestore(v *victim) string {
	out, errs, err := run(v.t, "", "restore", filepath.Join(v.dir, "backup"), "--root", v.half())
	if said := out + errs; err != nil && !strings.Contains(said, "holds a registry already") {
		v.t.Errorf("restore again: %v\n%s", err, said)
	}
	return v.half()
}

// beforeImport begins in a registry that has nothing yet.
func beforeImport(v *victim, round int) []string {
	empty := filepath.Join(v.dir, "empty")
	if round == 0 {
		serve(v.t, empty, "--tls=off", "--config", v.config).Stop()
		v.theirs()
	}
	if err := errors.Join(os.RemoveAll(v.half()), os.CopyFS(v.half(), os.DirFS(empty))); err != nil {
		v.t.Fatal(err)
	}
	return v.imports()
}

func (v *victim) imports() []string {
	return []string{"import", filepath.Join(v.dir, "theirs"), "--root", v.half(), "--config", v.config}
}

// theirs lays out what is to be kept as CNCF Distribution does.
func (v *victim) theirs() {
	v.t.Helper()
	root := filepath.Join(v.dir, "theirs", "docker/registry/v2")
	write := func(name string, body []byte) {
		name = filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, body, 0o600)); err != nil {
			v.t.Fatal(err)
		}
	}
	for name, dgst := range v.kept {
		hex := dgst.Encoded()
		body, err := os.ReadFile(filepath.Join(v.stocked.root, "content/blobs/sha256", hex))
		if err != nil {
			v.t.Fatal(err)
		}
		write("blobs/sha256/"+hex[:2]+"/"+hex+"/data", body)
		if repo, tag, ok := strings.Cut(strings.TrimPrefix(name, "/v2/"), "/manifests/"); ok {
			of := "repositories/" + repo + "/_manifests/"
			write(of+"revisions/sha256/"+hex+"/link", []byte(dgst))
			write(of+"tags/"+tag+"/current/link", []byte(dgst))
		}
	}
}

// afterImport: what was taken over is served, and the same command brings the rest,
// and only that.
func afterImport(v *victim) string {
	v.must(fmt.Sprintf("found 3 repositories, %d manifests and %d tags", keptImages, keptImages), v.imports()...)
	v.must("added 0 manifests, copied 0 blobs", v.imports()...)
	v.must("0 lost or damaged; 0 foreign", "fsck", "--root", v.half(), "--config", v.config)
	return v.half()
}
