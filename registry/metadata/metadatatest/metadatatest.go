// Package metadatatest opens databases for tests: SQLite in a temporary
// folder, and PostgreSQL where there is one to be had.
package metadatatest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"cove/registry/metadata"
)

// PostgresEnv names a database that tests may make schemas in. Without it a
// server is started from Debian's packages, if they are installed.
const PostgresEnv = "COVE_TEST_POSTGRES"

// Each runs test once per engine; open gives it an empty database.
func Each(t *testing.T, test func(t *testing.T, open func(t testing.TB, now func() time.Time) *metadata.DB)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, OpenSQLite)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		server := Postgres(t)
		test(t, server.Open)
	})
}

// OpenSQLite opens an empty SQLite database, in memory where the machine has a
// file system there.
func OpenSQLite(t testing.TB, now func() time.Time) *metadata.DB {
	t.Helper()
	return openAt(t, filepath.Join(Dir(t), "test.db"), now)
}

// Dir is a temporary folder on which an fsync costs nothing, if there is one.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "cove-test-") //nolint:usetesting // t.TempDir is not in memory
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func openAt(t testing.TB, dsn string, now func() time.Time) *metadata.DB {
	t.Helper()
	db, err := metadata.Open(context.Background(), metadata.Config{DSN: dsn, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// Server is a running PostgreSQL.
type Server struct {
	dsn string
	log *told // nil of one that was here before
}

// Postgres finds or starts one for the test, or skips the test.
func Postgres(t testing.TB) *Server {
	t.Helper()
	if dsn := os.Getenv(PostgresEnv); dsn != "" {
		return &Server{dsn: dsn}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		t.Skipf("needs PostgreSQL: set %s, or install Debian's package postgresql", PostgresEnv)
	}
	bin := filepath.Dir(found[len(found)-1])
	// A socket's path is limited to 107 bytes, which t.TempDir may exceed.
	dir := Dir(t)
	attr, name := postgresUser(t, dir)
	data := filepath.Join(dir, "data")
	initdb := exec.CommandContext(t.Context(), filepath.Join(bin, "initdb"), "-D", data, "-U", name, "-A", "trust",
		"-E", "UTF8", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = attr, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	server := exec.CommandContext(context.Background(), filepath.Join(bin, "postgres"), "-D", data, "-c",
		"listen_addresses=",
		"-c", "unix_socket_directories="+dir, "-c", "fsync=off", "-c", "max_connections=200")
	server.SysProcAttr, server.Dir = attr, dir
	log := &told{}
	server.Stderr = log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGINT) // "fast shutdown"
		_ = server.Wait()                         // it ends by our signal
	})
	s := &Server{dsn: "postgres:///postgres?" + url.Values{"host": {dir}, "user": {name}}.Encode(), log: log}
	s.wait(t)
	return s
}

// postgresUser is how to start a server that refuses to run as root.
func postgresUser(t testing.TB, dir string) (*syscall.SysProcAttr, string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}, "cove"
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Skipf("needs PostgreSQL: no user to run it as: %v", err)
	}
	uid, errUID := strconv.Atoi(u.Uid)
	gid, errGID := strconv.Atoi(u.Gid)
	if errUID != nil || errGID != nil {
		t.Fatalf("user postgres has ids %q and %q", u.Uid, u.Gid)
	}
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	return &syscall.SysProcAttr{
		Pdeathsig:  syscall.SIGKILL,
		Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)},
	}, "postgres"
}

func (s *Server) wait(t testing.TB) {
	t.Helper()
	var err error
	for range 200 {
		if err = s.exec("SELECT 1"); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("PostgreSQL does not answer: %v\n%s", err, s.log)
}

func (s *Server) exec(stmt string) error {
	db, err := sql.Open("pgx", s.dsn)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(context.Background(), stmt) // also after the test, to clean up
	if cerr := db.Close(); err == nil {
		err = cerr
	}
	return err
}

// Open opens an empty database in the server.
func (s *Server) Open(t testing.TB, now func() time.Time) *metadata.DB {
	t.Helper()
	return openAt(t, s.New(t), now)
}

// New makes an empty database in the server and returns its DSN.
func (s *Server) New(t testing.TB) string {
	t.Helper()
	return s.create(t, "")
}

// Copy makes a database that is as the one of dsn is now, which nobody may have
// open. It returns the copy's DSN.
func (s *Server) Copy(t testing.TB, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return s.create(t, " TEMPLATE "+strings.TrimPrefix(u.Path, "/"))
}

func (s *Server) create(t testing.TB, like string) string {
	t.Helper()
	name := "cove_" + strings.ToLower(rand.Text())[:12]
	if err := s.exec("CREATE DATABASE " + name + like); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(s.dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	t.Cleanup(func() {
		if err := s.exec(fmt.Sprintf("DROP DATABASE IF EXISTS %s WITH (FORCE)", name)); err != nil {
			t.Error(err)
		}
	})
	return u.String()
}
