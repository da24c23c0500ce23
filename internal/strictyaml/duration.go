package strictyaml

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v4"
)

// Duration is a time.Duration written as "1h30m".
type Duration time.Duration

// UnmarshalYAML reads "1h30m".
func (d *Duration) UnmarshalYAML(node *yaml.Node) error {
	v, err := time.ParseDuration(node.Value)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is no duration; write it as 90s, 15m or 1h30m", node.Value)
	}
	*d = Duration(v)
	return nil
}

// Or is the duration, or the standard one when it is 0.
func (d Duration) Or(standard time.Duration) time.Duration {
	if d == 0 {
		return standard
	}
	return time.Duration(d)
}

// MarshalYAML writes "1h30m0s".
func (d Duration) MarshalYAML() (any, error) { return time.Duration(d).String(), nil }
