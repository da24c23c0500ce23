package machine

import (
	"cove/engine/runspec"
	"cove/sandbox/apparmor"
	"cove/sandbox/rootless"
)

// Facts are those of this machine that a container with some options is made of.
func Facts(o runspec.Options) (f runspec.Facts, err error) {
	f.Groups = rootless.Groups()
	if f.HostCaps, err = Capabilities(); err != nil {
		return f, err
	}
	if f.AppArmor, err = AppArmor().Profile(o.Security.AppArmor, o.Security.Privileged); err != nil {
		return f, err
	}
	if f.Blocks, err = Blocks(o.Resources.Rates()); err != nil {
		return f, err
	}
	if o.Security.Privileged {
		if f.Devices, err = Devices(); err != nil {
			return f, err
		}
	}
	for _, d := range o.Devices {
		found, err := Device(d)
		if err != nil {
			return f, err
		}
		f.Devices = append(f.Devices, found...)
	}
	return f, nil
}

// AppArmor is what this machine has of it for whoever this is.
func AppArmor() apparmor.Here {
	_, user := Rootless()
	return apparmor.Here{User: user}
}
