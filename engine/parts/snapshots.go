package parts

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
	// DriverOverlay keeps what a layer changes, and driverNative full copies.
	DriverOverlay = "overlay2"
	driverNative  = "vfs"
)

// KeepsChanges reports whether a driver's snapshots hold their own change alone.
func KeepsChanges(driver string) bool { return driver == DriverOverlay }

// openSnapshots opens the snapshotter that this root began with. Which one
// that is was found out by trying, once, and is written down in
// snapshotter: the two cannot share snapshots.
func (p *Parts) openSnapshots() (snapshot.Store, error) {
	driver, err := p.Driver()
	if err != nil {
		return nil, err
	}
	if driver == driverNative {
		return native.New(p.dir("snapshots"))
	}
	return overlay.New(p.dir("snapshots"))
}

// Driver is the name of the snapshotter, in docker's words.
func (p *Parts) Driver() (string, error) {
	file := p.dir("snapshotter")
	body, err := os.ReadFile(file)
	if err == nil {
		return strings.TrimSpace(string(body)), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("engine: which snapshotter this root has: %w", err)
	}
	if err := os.MkdirAll(p.Root, 0o711); err != nil {
		return "", fmt.Errorf("engine: state root: %w", err)
	}
	driver := DriverOverlay
	if why := overlay.Supported(p.Root); why != nil {
		driver = driverNative
		p.Notify(fmt.Sprintf("NOTE: layers are kept as full copies (native snapshotter), which costs space and time: %v", why))
	}
	return driver, atomicfile.WriteFile(file, []byte(driver+"\n"), 0o600, atomicfile.Durable)
}
