// Package hostile fills objects with text that attacks the terminal on which it is
// printed, and finds what is left of the attack in the output of a program.
package hostile

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"devserver.io/devserver/internal/printable"
)

// forged begins the line that an attack adds to the output. If it is at the beginning of
// a line, a person takes it for one of the program's own.
const forged = "Forged:"

// Text has all that a terminal acts on: escape sequences that set the title and the color,
// the same as one character, carriage returns and other line breaks, marks that change
// the direction of text, and characters that are invisible.
const Text = "v\x1b]0;title\x07\x1b[31m\x00\x7f\b\u0085\u009b2J\u202e\u2066\u200e\u061c\u200b\ufeff\u2028\u2029\U000e0041\tw" +
	"\r" + forged + "\n" + forged + " all is well\r\n\n" + forged + " really\v\f" + forged

// Fill sets every string of an object to Text: in fields, in maps as keys and values, and
// in lists, which get one element. Numbers become 1, times are now, in whole seconds. It
// leaves the fields that the API server sets for objects that are being deleted, and managedFields.
func Fill(object any) { fill(reflect.ValueOf(object).Elem()) }

var values = map[reflect.Type]any{
	reflect.TypeFor[resource.Quantity]():    resource.MustParse("1Gi"),
	reflect.TypeFor[metav1.Time]():          metav1.Now().Rfc3339Copy(),
	reflect.TypeFor[metav1.MicroTime]():     metav1.NewMicroTime(time.Now().Truncate(time.Microsecond)),
	reflect.TypeFor[metav1.Duration]():      metav1.Duration{Duration: time.Hour},
	reflect.TypeFor[intstr.IntOrString]():   intstr.FromString(Text),
	reflect.TypeFor[metav1.FieldsV1]():      metav1.FieldsV1{},
	reflect.TypeFor[runtime.RawExtension](): runtime.RawExtension{},
	reflect.TypeFor[[]byte]():               []byte(Text),
}

// unset are fields of metadata.
var unset = []string{"DeletionTimestamp", "DeletionGracePeriodSeconds", "ManagedFields", "SelfLink"}

func fill(v reflect.Value) {
	if value, ok := values[v.Type()]; ok {
		v.Set(reflect.ValueOf(value))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(Text)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() && !slices.Contains(unset, field.Name) {
				fill(v.Field(i))
			}
		}
	default: // Booleans, and what no API has.
	}
}

// Faults lists what is left of the attack in the output of a program: characters that a
// terminal acts on, except line feeds and those in but, and lines that a value began. It
// is empty for output that is safe.
func Faults(output, but string) (faults []string) {
	if !utf8.ValidString(output) {
		faults = append(faults, "it is not UTF-8")
	}
	for line := range strings.Lines(output) {
		line = strings.TrimSuffix(line, "\n")
		for _, r := range line {
			if !printable.IsPrint(r) && !strings.ContainsRune(but, r) {
				faults = append(faults, fmt.Sprintf("%U in the line %q", r, line))
				break
			}
		}
		if strings.HasPrefix(strings.TrimLeft(line, " |-┃│·…✓!✗→"), forged) {
			faults = append(faults, fmt.Sprintf("a value began the line %q", line))
		}
	}
	return faults
}

// Strings returns all strings of an object.
func Strings(object any) (all []string) {
	var add func(reflect.Value)
	add = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.String:
			all = append(all, v.String())
		case reflect.Pointer:
			if !v.IsNil() {
				add(v.Elem())
			}
		case reflect.Slice:
			for i := range v.Len() {
				add(v.Index(i))
			}
		case reflect.Map:
			for _, key := range v.MapKeys() {
				add(key)
				add(v.MapIndex(key))
			}
		case reflect.Struct:
			for i := range v.NumField() {
				if v.Type().Field(i).IsExported() {
					add(v.Field(i))
				}
			}
		default:
		}
	}
	add(reflect.ValueOf(object))
	return all
}
