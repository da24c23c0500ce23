package server

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"cove/registry/server/config"
)

// TestTellsSystemd reads what a unit of Type=notify-reload is told in a life.
func TestTellsSystemd(t *testing.T) {
	told, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = told.Close() }()
	t.Setenv("NOTIFY_SOCKET", told.LocalAddr().String())
	t.Setenv(AdminPasswordEnv, testPassword)
	cfg := config.Config{Root: filepath.Join(t.TempDir(), "root"), Listen: "127.0.0.1:0", Log: config.Log{Level: "error"}}
	s, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	hup := make(chan os.Signal, 1)
	s.ReloadOn(hup, func() (config.Config, error) { return cfg, nil })
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()

	expect := func(want string) {
		t.Helper()
		buf := make([]byte, 256)
		if err := told.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		n, err := told.Read(buf)
		if err != nil || !strings.HasPrefix(string(buf[:n]), want) {
			t.Fatalf("told %q, %v; want %q", buf[:n], err, want)
		}
	}
	expect("READY=1")
	hup <- syscall.SIGHUP
	expect("RELOADING=1\nMONOTONIC_USEC=")
	expect("READY=1")
	stop()
	expect("STOPPING=1")
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
