package engine

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"cove/internal/atomicfile"
	"cove/layers/snapshot"
	"cove/layers/snapshot/native"
	"cove/layers/snapshot/overlay"
)

const (
	driverOverlay = "overlay2" // in docker's words
	driverNative  = "vfs"
)

// openSnapshots opens the snapshotter that this root began with. Which one
// that is was found out by trying, once, and is written down in
// snapshotter: the two cannot share snapshots.
func (e *Engine) openSnapshots() (snapshot.Store, error) {
	driver, err := e.driver()
	if err != nil {
		return nil, err
	}
	if driver == driverNative {
		return native.New(e.dir("snapshots"))
	}
	return overlay.New(e.dir("snapshots"))
}

func (e *Engine) driver() (string, error) {
	file := e.dir("snapshotter")
	body, err := os.ReadFile(file)
	if err == nil {
		return strings.TrimSpace(string(body)), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("engine: which snapshotter this root has: %w", err)
	}
	if err := os.MkdirAll(e.cfg.Root, 0o711); err != nil {
		return "", fmt.Errorf("engine: state root: %w", err)
	}
	driver := driverOverlay
	if why := overlay.Supported(e.cfg.Root); why != nil {
		driver = driverNative
		e.cfg.Notify(fmt.Sprintf("NOTE: layers are kept as full copies (native snapshotter), which costs space and time: %v", why))
	}
	return driver, atomicfile.WriteFile(file, []byte(driver+"\n"), 0o600, atomicfile.Durable)
}
