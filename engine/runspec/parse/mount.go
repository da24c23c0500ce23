package parse

import (
	"encoding/csv"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"

	"cove/engine/runspec"
	"cove/errdefs"
	"cove/internal/ids"
	"cove/runner/record"
)

// Mounted is a mount that was asked for in keys and values: a volume, or a path of the
// host, or else a tmpfs.
type Mounted struct {
	Volume *runspec.Volume
	Tmpfs  *record.Tmpfs
}

// mountText is a mount while its keys are read.
type mountText struct {
	text, kind, source, target string
	readOnly, writable         bool
	v                          runspec.Volume
	tmpfs                      []string
}

// Mount reads type=bind|volume|tmpfs|image,source=…,target=…[,KEY[=VALUE]…], with
// docker's keys.
func Mount(s string) (Mounted, error) {
	m := mountText{text: s, kind: "volume"}
	// The keys of one kind mean nothing to another, so the kind comes first.
	fields, err := csv.NewReader(strings.NewReader(s)).Read()
	if err != nil {
		return Mounted{}, m.bad("%w", err)
	}
	for _, field := range fields {
		if key, value, _ := strings.Cut(field, "="); strings.EqualFold(key, "type") {
			m.kind = strings.ToLower(value)
		}
	}
	for _, field := range fields {
		key, value, hasValue := strings.Cut(field, "=")
		if err := m.set(strings.ToLower(key), value, hasValue); err != nil {
			return Mounted{}, err
		}
	}
	return m.mount()
}

func (m *mountText) bad(format string, args ...any) error {
	return errdefs.Errorf(errdefs.ErrInvalid, "invalid mount %s: "+format, append([]any{m.text}, args...)...)
}

func (m *mountText) set(key, value string, hasValue bool) (err error) {
	of, _, _ := strings.Cut(key, "-")
	ofAnother := of != m.kind && slices.Contains([]string{"bind", "volume", "tmpfs", "image"}, of) && of != key
	switch {
	case ofAnother:
		return m.bad("cannot mix '%s' options with mount type '%s'", of+"-*", m.kind)
	case key == "type" || key == "consistency": // the second is for other systems, and means nothing here
	case key == "source" || key == "src":
		m.source = value
	case key == "target" || key == "dst" || key == "destination":
		m.target = value
	case key == "readonly" || key == "ro":
		m.readOnly, err = m.flag(key, value, hasValue)
		m.writable = !m.readOnly
	case key == "readwrite" || key == "rw":
		m.writable, err = m.flag(key, value, hasValue)
		m.readOnly = !m.writable
	case key == "bind-propagation":
		if m.v.Propagation = value; !slices.Contains(propagations, value) {
			err = m.bad("bind-propagation %q: want %s", value, strings.Join(propagations, ", "))
		}
	case key == "bind-nonrecursive":
		m.v.NonRecursive, err = m.flag(key, value, hasValue)
	case key == "idmap" || key == "uid" || key == "gid":
		err = m.owners(key, value, hasValue)
	case key == "bind-recursive":
		err = m.recursive(value)
	case key == "volume-nocopy":
		m.v.NoCopy, err = m.flag(key, value, hasValue)
	case key == "volume-label":
		add(&m.v.Labels, value)
	case key == "volume-driver":
		if value != "local" {
			err = errdefs.Errorf(errdefs.ErrUnsupported,
				"mount %s: volume-driver %s: there is only local", m.text, value)
		}
	case key == "tmpfs-size":
		var size int64
		if size, err = units.RAMInBytes(value); err != nil || size < 0 {
			return m.bad("tmpfs-size %q: want a size, as 64m", value)
		}
		m.tmpfs = append(m.tmpfs, "size="+strconv.FormatInt(size, 10))
	case key == "tmpfs-mode":
		if _, err := strconv.ParseUint(value, 8, 12); err != nil {
			return m.bad("tmpfs-mode %q: want an octal mode, as 1777", value)
		}
		m.tmpfs = append(m.tmpfs, "mode="+value)
	case key == "volume-opt":
		add(&m.v.Options, value)
	case key == "volume-subpath" || key == "image-subpath":
		if m.v.Subpath = path.Clean(value); value == "" || !filepath.IsLocal(value) {
			err = m.bad("%s %q: want a path within the %s, which begins with no slash", key, value, of)
		}
	default:
		err = m.bad("unexpected key '%s'", key)
	}
	return err
}

// add puts KEY=VALUE into a map that may not be there yet.
func add(into *map[string]string, pair string) {
	if *into == nil {
		*into = map[string]string{}
	}
	key, value, _ := strings.Cut(pair, "=")
	(*into)[key] = value
}

func (m *mountText) flag(key, value string, hasValue bool) (bool, error) {
	if !hasValue {
		return true, nil
	}
	b, err := strconv.ParseBool(value)
	if err != nil {
		return false, m.bad("invalid value for '%s': %s", key, value)
	}
	return b, nil
}

// recursive says what becomes of the mounts below a source.
func (m *mountText) recursive(value string) error {
	switch value {
	case "enabled", "readonly": // read-only is recursively so by itself
	case "disabled":
		m.v.NonRecursive = true
	case "writable":
		m.v.WritableBelow = true
	default:
		return m.bad("bind-recursive %q: want enabled, disabled, writable or readonly", value)
	}
	return nil
}

func (m *mountText) mount() (Mounted, error) {
	if m.target == "" {
		return Mounted{}, m.bad("field Target must not be empty")
	}
	if _, err := runspec.Target("mount "+m.text, m.target); err != nil {
		return Mounted{}, err
	}
	m.v.Source, m.v.Target, m.v.ReadOnly, m.v.Mount = m.source, m.target, m.readOnly, true
	if (m.kind == "tmpfs" || m.kind == "image") && (m.v.MapOwners || !m.v.Owners.IsZero()) {
		return Mounted{}, m.bad("uid, gid and idmap are of volumes and paths of the host")
	}
	switch m.kind {
	case "image":
		if m.source == "" {
			return Mounted{}, m.bad("field Source must not be empty")
		}
		m.v.Image, m.v.Overlay, m.v.ReadOnly = true, m.writable, !m.writable
		return Mounted{Volume: &m.v}, nil
	case "bind":
		switch {
		case m.source == "":
			return Mounted{}, m.bad("field Source must not be empty")
		case !path.IsAbs(m.source):
			return Mounted{}, m.bad("mount path must be absolute")
		}
		return Mounted{Volume: &m.v}, nil
	case "volume":
		if m.source != "" && !ids.ValidName(m.source) {
			return Mounted{}, m.bad("%q is no volume's name (letters, digits, _ . -); type=bind takes a path", m.source)
		}
		return Mounted{Volume: &m.v}, nil
	case "tmpfs":
		if m.source != "" {
			return Mounted{}, m.bad("field Source must not be specified")
		}
		if m.readOnly {
			m.tmpfs = append(m.tmpfs, "ro")
		}
		return Mounted{Tmpfs: &record.Tmpfs{Target: m.target, Options: m.tmpfs}}, nil
	case "npipe", "cluster":
		return Mounted{}, errdefs.Errorf(errdefs.ErrUnsupported, "mount %s: type %s is not supported", m.text, m.kind)
	}
	return Mounted{}, m.bad("mount type %q unknown: want bind, volume, tmpfs or image", m.kind)
}
