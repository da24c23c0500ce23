// Package cache remembers what build steps made: a keyed store of records.
package cache
