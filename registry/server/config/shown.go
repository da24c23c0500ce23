package config

import (
	"net/url"

	"go.yaml.in/yaml/v4"
)

// Shown is the configuration as a file has it, for who looks at it: a password in the
// database's address is not shown, and files that hold secrets are named and not read.
func (c Config) Shown() (string, error) {
	if u, err := url.Parse(c.Database); c.Database != "" {
		if c.Database = "postgres://…"; err == nil {
			query := u.Query()
			for _, secret := range []string{"password", "sslpassword"} {
				if query.Has(secret) {
					query.Set(secret, "xxxxx")
				}
			}
			u.RawQuery = query.Encode()
			c.Database = u.Redacted()
		}
	}
	text, err := yaml.Marshal(c)
	return string(text), err
}
