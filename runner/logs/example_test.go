package logs_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"cove/runner/logs"
)

// What a container says is kept in docker's json-file, and read by its last lines.
func Example() {
	dir, _ := os.MkdirTemp("", "logs")
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "container-json.log")
	w, err := logs.Create(path, logs.DefaultMaxSize, 1, time.Now)
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = w.Write("stdout", []byte("one\ntwo\n"))
	_ = w.Write("stderr", []byte("three\n"))
	_ = w.Close()
	fmt.Println(logs.Read(context.Background(), path, logs.Options{Tail: 2}, os.Stdout, os.Stdout))
	// Output:
	// two
	// three
	// <nil>
}
