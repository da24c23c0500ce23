// Package systemd tells systemd how a service is doing.
package systemd

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Notify tells systemd how the service is doing, when it asked to be told
// (sd_notify(3)).
func Notify(message string) error {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	if strings.HasPrefix(name, "@") { // the abstract namespace
		name = "\x00" + name[1:]
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("notifying systemd: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Sendto(fd, []byte(message), 0, &unix.SockaddrUnix{Name: name}); err != nil {
		return fmt.Errorf("notifying systemd: %w", err)
	}
	return nil
}
