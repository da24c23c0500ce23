package rpmdb_test

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"cove/errdefs"
	"cove/inventory/rpmdb"
)

// databases is the folder of another reader's test data: databases as rpm left them
// on thirteen systems. It is a module; see the Makefile.
func databases(t testing.TB) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", "github.com/anchore/go-rpmdb@v0.2.2")
	cmd.Dir = os.TempDir() // the module is none of this program's
	out, err := cmd.Output()
	var module struct{ Dir string }
	if err != nil || json.Unmarshal(out, &module) != nil {
		t.Skipf("needs the module of go-rpmdb: %v", err)
	}
	return filepath.Join(module.Dir, "pkg", "testdata")
}

// all are the packages of a database, sorted, one a line.
func all(t testing.TB, text []byte) ([]string, error) {
	t.Helper()
	var lines []string
	err := rpmdb.Read(bytes.NewReader(text), int64(len(text)), func(p rpmdb.Package) {
		var files strings.Builder
		p.Files(func(name string) { files.WriteString(name + "\t") })
		lines = append(lines, line(p.Name, fmt.Sprint(p.Epoch), p.Version, p.Release, p.Arch, p.Source, p.Module, files.String()))
	})
	slices.Sort(lines)
	return lines, err
}

func line(words ...string) string {
	for i, w := range words {
		if w == "" && i < len(words)-1 {
			words[i] = "(none)" // as rpm says it
		}
	}
	return strings.Join(words, " ")
}

// TestAsRpmReadsThem: what rpm itself says of each database is what is read, but for
// ndb, which Debian's rpm cannot read.
func TestAsRpmReadsThem(t *testing.T) {
	t.Parallel()
	rpm, err := exec.LookPath("rpm")
	if err != nil {
		t.Skip("needs rpm")
	}
	files, err := filepath.Glob(databases(t) + "/*/[Pr]*")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d databases: %v", len(files), err)
	}
	for _, from := range files {
		t.Run(filepath.Base(filepath.Dir(from)), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(from)
			if err != nil {
				t.Fatal(err)
			}
			got, err := all(t, text)
			if err != nil {
				t.Error(err)
			}
			if filepath.Base(from) == "Packages.db" {
				has(t, got, 35, "bash 0 4.4 19.6.1 x86_64 bash-4.4-19.6.1.src.rpm (none) /bin/bash\t/bin/sh\t/etc/bash_completion.d\t")
				return
			}
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(from)), text, 0o600); err != nil {
				t.Fatal(err)
			}
			backend := map[string]string{"Packages": "bdb_ro", "rpmdb.sqlite": "sqlite"}[filepath.Base(from)]
			out, err := exec.CommandContext(t.Context(), rpm, "--define", "_db_backend "+backend, "--dbpath", dir, "-qa", "--qf",
				`%{NAME} %{EPOCHNUM} %{VERSION} %{RELEASE} %{ARCH} %{SOURCERPM} %{MODULARITYLABEL} [%{FILENAMES}\t]\n`).Output()
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%d packages, rpm says %d: %s", len(got), len(want), firstOther(got, want))
			}
		})
	}
}

func has(t *testing.T, got []string, n int, begins string) {
	t.Helper()
	if len(got) < n || !slices.ContainsFunc(got, func(l string) bool { return strings.HasPrefix(l, begins) }) {
		t.Errorf("%d packages, without %q: %s", len(got), begins, fmt.Sprintf("%.200s", got))
	}
}

func firstOther(got, want []string) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("%.300q, want %.300q", got[i], want[i])
		}
	}
	return "one is longer"
}

// headerOf is the header of a package with so many files.
func headerOf(name string, files int) []byte {
	var index, data bytes.Buffer
	n := 0
	add := func(tag, kind, count uint32, value []byte) {
		for kind == 4 && data.Len()%4 != 0 {
			data.WriteByte(0)
		}
		_ = binary.Write(&index, binary.BigEndian, []uint32{tag, kind, uint32(data.Len()), count})
		data.Write(value)
		n++
	}
	add(1000, 6, 1, []byte(name+"\x00"))
	add(1001, 6, 1, []byte("1.0\x00"))
	add(1002, 6, 1, []byte("1\x00"))
	add(1003, 4, 1, []byte{0, 0, 0, 7})
	add(1116, 4, uint32(files), make([]byte, 4*files))
	add(1117, 8, uint32(files), []byte(strings.Repeat("file\x00", files)))
	add(1118, 8, 1, []byte("/usr/bin/\x00"))
	blob := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(n)), uint32(data.Len()))
	return slices.Concat(blob, index.Bytes(), data.Bytes())
}

// TestPagesOfSQLite has SQLite itself write tables with small and large pages, of
// values that fit into one and that need a thousand, and of several levels.
func TestPagesOfSQLite(t *testing.T) {
	t.Parallel()
	for _, page := range []int{512, 4096, 65536} {
		name := filepath.Join(t.TempDir(), "rpmdb.sqlite")
		db, err := sql.Open("sqlite", name)
		if err != nil {
			t.Fatal(err)
		}
		db.SetMaxOpenConns(1)
		run := func(statement string, args ...any) {
			t.Helper()
			if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
				t.Fatal(err)
			}
		}
		run(fmt.Sprintf("PRAGMA page_size = %d", page))
		run("CREATE TABLE Name (key TEXT, hnum INTEGER)")
		run("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
		var want []string
		for i := range 600 {
			files := i * i % 977
			if i == 100 {
				files = 100_000
			}
			run("INSERT INTO Packages (blob) VALUES (?)", headerOf(fmt.Sprintf("p%d", i), files))
			want = append(want, line(fmt.Sprintf("p%d", i), "7", "1.0", "1", "", "", "", strings.Repeat("/usr/bin/file\t", files)))
		}
		run("INSERT INTO Packages (blob) VALUES (?)", []byte("no header"))
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := all(t, text)
		slices.Sort(want)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("pages of %d: %d packages, want %d: %v %s", page, len(got), len(want), err, firstOther(got, want))
		}
	}
}

// TestDamage: what is cut or changed is told or read, and never more of it than a few
// times its length, whatever points where.
func TestDamage(t *testing.T) {
	t.Parallel()
	dir := databases(t)
	for _, name := range []string{"rockylinux-9/rpmdb.sqlite", "centos6-plain/Packages", "sle15-bci/Packages.db"} {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			whole, err := all(t, text)
			if err != nil {
				t.Fatal(err)
			}
			random := rand.New(rand.NewPCG(1, 2))
			for _, n := range []int{0, 31, 100, 4096, len(text) / 2, len(text) * 9 / 10} {
				if got, err := all(t, text[:n]); !errors.Is(err, errdefs.ErrCorrupt) || len(got) > len(whole) {
					t.Errorf("cut to %d bytes: %d packages, %v", n, len(got), err)
				}
			}
			for range 30 {
				odd := slices.Clone(text)
				for range 200 {
					odd[random.IntN(len(odd))] = byte(random.Uint32())
				}
				for range 20 { // where most is decided
					odd[random.IntN(16384)] = byte(random.Uint32())
				}
				if _, err := all(t, odd); err != nil && !errors.Is(err, errdefs.ErrCorrupt) {
					t.Errorf("changed: %v", err)
				}
			}
		})
	}
	if _, err := all(t, bytes.Repeat([]byte("no database "), 100)); !errors.Is(err, errdefs.ErrCorrupt) {
		t.Errorf("something else: %v", err)
	}
}

// TestCircles: pages that lead to themselves end.
func TestCircles(t *testing.T) {
	t.Parallel()
	const page = 512
	circle := make([]byte, 64*page)
	copy(circle, "SQLite format 3\x00\x02\x00")
	circle[100], circle[104] = 5, 150 // an interior page of 150 children, all itself
	for i := range 150 {
		binary.BigEndian.PutUint16(circle[112+2*i:], 500)
	}
	circle[503], circle[111] = 1, 1
	chain := make([]byte, 64*page)
	binary.LittleEndian.PutUint32(chain[12:], 0x00061561)
	binary.LittleEndian.PutUint32(chain[20:], page)
	binary.LittleEndian.PutUint32(chain[32:], 1000)
	chain[25] = 8
	for number := 1; number < 64; number++ {
		b := chain[number*page:]
		b[25] = 13
		b[20] = 100 // items, all of one long value of a page that goes on with itself
		for i := range 100 {
			binary.LittleEndian.PutUint16(b[26+2*i:], uint16(500-12*(i%2)))
		}
		copy(b[488:], []byte{3, 0, 0, 0, 63, 0, 0, 0, 0, 0, 0, 3})
	}
	last := chain[63*page:]
	last[25], last[16], last[22], last[23] = 7, 63, 0, 1
	for name, text := range map[string][]byte{"a tree": circle, "a chain": chain} {
		before := time.Now()
		_, err := all(t, text)
		if took := time.Since(before); !errors.Is(err, errdefs.ErrCorrupt) || took > 20*time.Second {
			t.Errorf("%s: %v after %v", name, err, took)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(append([]byte("SQLite format 3\x00\x10\x00"), make([]byte, 8192)...))
	f.Add(append([]byte("RpmP\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00"), make([]byte, 8192)...))
	f.Fuzz(func(_ *testing.T, text []byte) {
		_ = rpmdb.Read(bytes.NewReader(text), int64(len(text)), func(p rpmdb.Package) { p.Files(func(string) {}) })
	})
}
