package report

import (
	"fmt"
	"reflect"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"

	"devserver.io/devserver/internal/printable"
)

// Printable returns a status, or any other value, with all strings in it made printable:
// kubectl and others print them on terminals, and a status quotes what users, containers,
// nodes and webhooks say. A string does not get longer by that, because the API bounds
// lengths: it is cut. The result shares what is the same with value, which stays as it is.
func Printable[T any](value T) T {
	v := reflect.ValueOf(&value).Elem()
	if made, changed := printed(v); changed {
		v.Set(made)
	}
	return value
}

// printed returns v with printable strings, and whether it differs from v.
func printed(v reflect.Value) (made reflect.Value, changed bool) {
	switch v.Kind() {
	case reflect.String:
		text := v.String()
		line := printable.Line(text, 0)
		if line == text {
			return v, false
		}
		made = reflect.New(v.Type()).Elem()
		made.SetString(printable.Prose(text, utf8.RuneCountInString(text)))
		return made, true
	case reflect.Pointer:
		if v.IsNil() {
			return v, false
		}
		element, changed := printed(v.Elem())
		if !changed {
			return v, false
		}
		made = reflect.New(v.Type().Elem())
		made.Elem().Set(element)
		return made, true
	case reflect.Struct:
		return eachPart(v, v.NumField(), reflect.Value.Field, func() reflect.Value {
			made := reflect.New(v.Type()).Elem()
			made.Set(v)
			return made
		})
	case reflect.Slice:
		return eachPart(v, v.Len(), reflect.Value.Index, func() reflect.Value {
			made := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
			reflect.Copy(made, v)
			return made
		})
	case reflect.Map:
		return printedMap(v)
	default:
		return v, false
	}
}

// eachPart returns v with each of its n parts made printable. clone copies v once one
// differs.
func eachPart(v reflect.Value, n int, part func(reflect.Value, int) reflect.Value, clone func() reflect.Value) (made reflect.Value, changed bool) {
	made = v
	for i := range n {
		if !part(v, i).CanInterface() {
			continue // Unexported, as in time.Time.
		}
		if better, differs := printed(part(v, i)); differs {
			if !changed {
				made, changed = clone(), true
			}
			part(made, i).Set(better)
		}
	}
	return made, changed
}

func printedMap(v reflect.Value) (made reflect.Value, changed bool) {
	made = reflect.MakeMapWithSize(v.Type(), v.Len())
	for _, key := range v.MapKeys() {
		newKey, keyDiffers := printed(key)
		newValue, valueDiffers := printed(v.MapIndex(key))
		made.SetMapIndex(newKey, newValue)
		changed = changed || keyDiffers || valueDiffers
	}
	if !changed {
		return v, false
	}
	return made, true
}

// NewRecorder returns a recorder that makes the messages of events printable.
func NewRecorder(to events.EventRecorder) events.EventRecorder { return recorder{to} }

type recorder struct{ to events.EventRecorder }

// Eventf records an event.
func (r recorder) Eventf(regarding, related runtime.Object, kind, reason, action, note string, args ...any) {
	r.to.Eventf(regarding, related, kind, reason, action, "%s", printable.Prose(fmt.Sprintf(note, args...), 0))
}
