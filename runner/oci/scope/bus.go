package scope

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// patience bounds how long the bus and systemd may take.
const patience = 30 * time.Second

// The bus of the system, and the name of systemd on it.
const (
	systemBus = "unix:path=/run/dbus/system_bus_socket"
	systemd   = "org.freedesktop.systemd1"
)

// dial connects to a message bus, which has the user of this process from the kernel.
func dial(ctx context.Context, address string) (*dbus.Conn, error) {
	bus, err := dbus.Dial(address, dbus.WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("the message bus at %s: %w", address, err)
	}
	if err = bus.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Geteuid()))}); err == nil {
		err = bus.Hello()
	}
	if err != nil {
		bus.Close()
		return nil, fmt.Errorf("the message bus at %s: %w", address, err)
	}
	return bus, nil
}

// property and unit have the types of StartTransientUnit (org.freedesktop.systemd1(5)).
type (
	property struct {
		Name  string
		Value dbus.Variant
	}
	unit struct {
		Name       string
		Properties []property
	}
)

// makeScope has systemd make the scope, with one process in it; a name that is taken it refuses.
func makeScope(ctx context.Context, bus *dbus.Conn, u Unit, pid int) error {
	properties := []property{
		{"Description", dbus.MakeVariant("cove container " + strings.TrimSuffix(u.Name, ".scope"))},
		{"Slice", dbus.MakeVariant(u.Slice)},
		{"PIDs", dbus.MakeVariant([]uint32{uint32(pid)})},
		{"Delegate", dbus.MakeVariant(true)},
		{"DefaultDependencies", dbus.MakeVariant(false)},
		{"CollectMode", dbus.MakeVariant("inactive-or-failed")},
	}
	const method = systemd + ".Manager.StartTransientUnit"
	manager := bus.Object(systemd, "/org/freedesktop/systemd1")
	if err := manager.CallWithContext(ctx, method, 0, u.Name, "fail", properties, []unit{}).Err; err != nil {
		return fmt.Errorf("StartTransientUnit: %w", err)
	}
	return nil
}
