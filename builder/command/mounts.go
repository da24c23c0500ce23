package command

import (
	"errors"
	"os"
	"slices"
	"strconv"

	"cove/builder/plan"
	"cove/errdefs"
	"cove/layers/mount"
)

// Mounts makes the mounts of one RUN that need nothing of other steps.
type Mounts struct {
	Request *Request
	Secrets map[string][]byte
	SSH     map[string]Agent
	// Temp makes a directory where there is no place in memory; the mounts remove it.
	Temp func() (string, error)
	// Opened is what ends with the command.
	Opened Closers
}

// Mount adds a mount to the request.
func (m *Mounts) Mount(target string, mt mount.Mount) {
	m.Request.Mounts = append(m.Request.Mounts, Mount{Target: target, Mount: mt})
}

// Add makes a mount.
func (m *Mounts) Add(rm plan.RunMount) error {
	switch rm.Type {
	case "tmpfs":
		mt := mount.Mount{Type: "tmpfs", ReadOnly: rm.ReadOnly}
		if rm.Size > 0 {
			mt.Options = []string{"size=" + strconv.FormatInt(rm.Size, 10)}
		}
		m.Mount(rm.Target, mt)
		return nil
	case "file":
		return m.file(rm, []byte(rm.Data))
	case "secret":
		return m.secret(rm)
	case "ssh":
		return m.ssh(rm)
	}
	return errdefs.Errorf(errdefs.ErrUnsupported, "--mount=type=%s is not supported", rm.Type)
}

func (m *Mounts) secret(rm plan.RunMount) error {
	value, ok := m.Secrets[rm.ID]
	switch {
	case !ok && rm.Required:
		return errdefs.Suggest(errdefs.Errorf(errdefs.ErrNotFound, "the secret %q is required", rm.ID),
			errdefs.GiveSecret, rm.ID)
	case !ok:
		return nil
	}
	if rm.Env != "" {
		m.Request.Env = append(m.Request.Env, rm.Env+"="+string(value))
	}
	if rm.Target == "" {
		return nil
	}
	return m.file(rm, value)
}

// file mounts one file with these bytes. It lies in memory where there is a place
// for that, since it may be a secret.
func (m *Mounts) file(rm plan.RunMount, data []byte) error {
	dir, err := memoryDir(m.Temp)
	if err != nil {
		return err
	}
	m.Opened.Add(func() error { return os.RemoveAll(dir) })
	f, err := os.CreateTemp(dir, "file-*")
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "build: %w", err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(os.FileMode(rm.Mode&0o777)), f.Close())
	if err == nil && (rm.UID != 0 || rm.GID != 0) {
		err = os.Chown(f.Name(), int(rm.UID), int(rm.GID))
	}
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "build: %w", err)
	}
	m.Mount(rm.Target, bindOf(f.Name()))
	return nil
}

// bindOf is a mount of one file, which cannot be written.
func bindOf(name string) mount.Mount { return mount.Mount{Type: "bind", Source: name, ReadOnly: true} }

// memoryDir makes a directory in memory, or by fallback where there is no place
// for that. The caller removes it.
func memoryDir(fallback func() (string, error)) (string, error) {
	if st, err := os.Stat("/dev/shm"); err == nil && st.IsDir() {
		if dir, err := os.MkdirTemp("/dev/shm", "cove-build-"); err == nil {
			return dir, nil
		}
	}
	return fallback()
}

// Closers are things to close, the last first.
type Closers []func() error

// Add adds one more.
func (c *Closers) Add(close func() error) { *c = append(*c, close) }

// Close closes all of them, also when one fails.
func (c *Closers) Close() error {
	var errs []error
	for _, close := range slices.Backward(*c) {
		errs = append(errs, close())
	}
	*c = nil
	return errors.Join(errs...)
}
