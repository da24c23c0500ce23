package db

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"
)

// TestLogIsFoldedBesideTheWriter writes, and waits until what was written is in the file
// itself, which no commit has put there.
func TestLogIsFoldedBesideTheWriter(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "test.db")
	db, err := Open(t.Context(), Config{DSN: file, Migrations: fstest.MapFS{
		"00001_test.sql": {Data: []byte("CREATE TABLE things (id BIGINT PRIMARY KEY, text TEXT NOT NULL);\n\n-- down\nDROP TABLE things;\n")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	size := func() int64 {
		fi, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		return fi.Size()
	}
	before := size()
	for i := range 20 {
		if err := db.Update(t.Context(), func(ctx context.Context, tx *Tx) error {
			for j := range 50 {
				if _, err := tx.Exec(ctx, "INSERT INTO things (id, text) VALUES ($1, $2)", 50*i+j, fmt.Sprintf("%0200d", j)); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; size() < before+200_000; i++ {
		if time.Sleep(20 * time.Millisecond); i == 1000 {
			t.Fatalf("%d bytes are in the file, %d were", size(), before)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file + "-wal"); !os.IsNotExist(err) {
		t.Errorf("the log stays after the end: %v", err)
	}
}
