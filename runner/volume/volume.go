// Package volume keeps named volumes: directories that outlive containers.
package volume
