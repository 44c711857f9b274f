/* What a schema is compiled to, and what the parts of the compiler share. Only for this folder.
 *
 * Each schema, one that stands in another too, is a node: the kinds of value it takes and the operations for what else it
 * demands, in the order in which they are cheapest. A node is made when its place is found (resource.c) and compiled when it
 * is needed (compile.c); operations point at nodes. Nodes belong to resources: what has an address of its own ($id).
 */
#ifndef FNR_SCHEMA_PROGRAM_H
#define FNR_SCHEMA_PROGRAM_H

#include "base/mem.h"
#include "schema/map.h"
#include "schema/number.h"
#include "schema/pattern.h"
#include "schema/schema.h"
#include "schema/value.h"

#define NODES_MOST 200000
#define TEXT_MOST 72          /* of foreign text in a message, in bytes */
#define POINTER_MOST 1024     /* room for a JSON Pointer; a longer one is cut */

/* ---- vocabularies and keywords ---- */

enum { V_CORE = 1, V_APPLICATOR = 2, V_UNEVALUATED = 4, V_VALIDATION = 8, V_META_DATA = 16, V_FORMAT = 32, V_FORMAT_ASSERTION = 64, V_CONTENT = 128 };
#define V_STANDARD (V_CORE | V_APPLICATOR | V_UNEVALUATED | V_VALIDATION | V_META_DATA | V_FORMAT | V_CONTENT)

/* ---- the program ---- */

struct anchor { const char *name; struct node *node; struct anchor *next; };

struct resource {
	const char *uri;             /* without fragment */
	struct document *document;
	struct node *root;
	unsigned vocabularies;
	struct anchor *dynamic;      /* its $dynamicAnchors */
	bool entered;                /* some of it is compiled */
};

struct document {
	const char *uri;             /* where it was found */
	struct json_object *value;
	struct node *root;
	bool checked, main;          /* against its metaschema; the one that was given */
	struct document *next;
};

struct property { const char *name; size_t len; struct node *node; bool required; };
struct pattern_property { struct pattern *pattern; struct node *node; };

/* properties, patternProperties, additionalProperties and required: one pass over the members of an object. */
struct members {
	struct property *properties;
	uint32_t *slots;             /* number of a property + 1, by hash; 0: none */
	uint32_t count, size, required, pattern_count;
	uint32_t enough;             /* so many properties were met: no other member matters */
	uint64_t initials;           /* bits of the first bytes of their names, modulo 64 */
	struct pattern_property *patterns;
	struct node *additional;
};

struct items { struct node **prefix; size_t count; struct node *rest; };
struct contains { struct node *node; uint64_t least, most; };
struct dependency { const char *name; struct node *node; const char **names; size_t count; };  /* node, or names */
struct branches { struct node *condition, *then, *otherwise; };

/* The values of enum, or the one of const; the texts among them are compared quickest. Many are found by hash: order has their
 * numbers, hashes are sorted. */
struct text { const char *data; size_t len; };
struct enumeration { struct json_object *values; size_t count; uint64_t *hashes; uint32_t *order; struct text *texts; size_t text_count; };

struct op {
	uint8_t rule;                /* row of the table of rules */
	uint8_t applies;             /* kinds of value */
	uint32_t count;              /* of what `nodes` or `dependencies` point at */
	union {
		struct json_object *value;
		struct bound bound;
		struct divisor divisor;
		struct { uint64_t least, most; } range;
		struct { struct json_object *value; const char *name; } named;
		struct enumeration *enumeration;
		struct pattern *pattern;
		const struct format *format;
		struct node *node;
		struct node **nodes;
		struct { struct node *node; const char *anchor; } dynamic;
		struct members *members;
		struct items *items;
		struct contains *contains;
		struct dependency *dependencies;
		struct branches *branches;
	};
};

struct node {
	struct json_object *source;
	struct node *parent;         /* with these it has its JSON Pointer */
	const char *keyword, *name;  /* name is NULL where index is used, keyword at the root of a document */
	int64_t index;               /* -1: keyword alone */
	struct resource *resource;
	uint8_t kinds;               /* of value that it takes */
	bool wanted, leaf;           /* leaf: leads to no other */
	bool tracks;                 /* needs to know what was evaluated (unevaluated*) */
	uint8_t mark;                /* of the search for loops */
	uint32_t op_count;
	struct op *ops;
};

struct schema {
	struct fnr_arena *arena;
	struct json_object *source, *constants;
	struct node *root;
	struct document *documents;
	struct map nodes;            /* by the address of their JSON value */
	struct map places;           /* resources' roots and anchors, by address: "uri" and "uri#name" */
	struct pattern **patterns;
	size_t pattern_count, node_count;
	bool dynamic;                /* has a $dynamicRef, so the way to a node matters */
};

/* The table of rules: X(name, keyword, kinds it applies to). The order is that of their operations. */
#define NUMERIC (KIND_INTEGER | KIND_NUMBER)
#define RULES(X) \
	X(ENUM, "enum", KIND_ANY) \
	X(CONST, "const", KIND_ANY) \
	X(LENGTH, "minLength", KIND_STRING) \
	X(MINIMUM, "minimum", NUMERIC) \
	X(MAXIMUM, "maximum", NUMERIC) \
	X(EXCLUSIVE_MINIMUM, "exclusiveMinimum", NUMERIC) \
	X(EXCLUSIVE_MAXIMUM, "exclusiveMaximum", NUMERIC) \
	X(MULTIPLE_OF, "multipleOf", NUMERIC) \
	X(ITEM_COUNT, "minItems", KIND_ARRAY) \
	X(MEMBER_COUNT, "minProperties", KIND_OBJECT) \
	X(FORMAT, "format", KIND_ANY) \
	X(PATTERN, "pattern", KIND_STRING) \
	X(UNIQUE_ITEMS, "uniqueItems", KIND_ARRAY) \
	X(MEMBERS, "properties", KIND_OBJECT) \
	X(PROPERTY_NAMES, "propertyNames", KIND_OBJECT) \
	X(DEPENDENT_REQUIRED, "dependentRequired", KIND_OBJECT) \
	X(ITEMS, "items", KIND_ARRAY) \
	X(CONTAINS, "contains", KIND_ARRAY) \
	X(REF, "$ref", KIND_ANY) \
	X(DYNAMIC_REF, "$dynamicRef", KIND_ANY) \
	X(ALL_OF, "allOf", KIND_ANY) \
	X(ANY_OF, "anyOf", KIND_ANY) \
	X(ONE_OF, "oneOf", KIND_ANY) \
	X(NOT, "not", KIND_ANY) \
	X(IF, "if", KIND_ANY) \
	X(DEPENDENT_SCHEMAS, "dependentSchemas", KIND_OBJECT) \
	X(UNEVALUATED_ITEMS, "unevaluatedItems", KIND_ARRAY) \
	X(UNEVALUATED_PROPERTIES, "unevaluatedProperties", KIND_OBJECT)
enum rule {
#define X(name, keyword, applies) RULE_##name,
	RULES(X)
#undef X
	RULE_COUNT
};

/* ---- the compiler ---- */

struct compiler {
	struct schema *schema;
	const struct schema_options *options;
	struct fnr_error *err;
	struct node **work;          /* what is to be compiled, in the order in which it was found */
	size_t work_count, work_size;
	struct op *ops;              /* of the node that is being compiled */
	size_t op_count, op_size;
	int metaschemas;             /* how many are being compiled around this */
};

/* A fault of the schema itself, at a keyword of node (NULL: the node). */
void compiler_fault(struct compiler *c, const struct node *node, const char *rule, const char *fix, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* resource.c: finds the schemas of documents, their addresses and anchors, and what references mean */
struct document *resource_add_document(struct compiler *c, const char *uri, struct json_object *value);
struct node *resource_node(const struct compiler *c, struct json_object *value);        /* of a schema that was found; or NULL */
struct node *resource_find(struct compiler *c, const char *uri);                        /* the root of a resource, or NULL */
struct node *resource_anchor(const struct resource *resource, const char *name);        /* of a $dynamicAnchor, or NULL */

/* NULL, with a fault, if there is no such schema. The name of the anchor that was used, if any, is in *anchor_r. */
struct node *resource_resolve(struct compiler *c, struct node *from, const char *keyword, const char *reference, const char **anchor_r);

/* dialect.c: what $schema says */
unsigned dialect_vocabularies(struct compiler *c, struct resource *resource);           /* 0, with a fault: unknown */
bool dialect_check(struct compiler *c, struct document *document);                      /* does it fit its metaschema? */

/* compile.c */
void compiler_want(struct compiler *c, struct node *node);   /* to be compiled */
struct schema *compiler_run(struct json_object *definition, const struct schema_options *options, int metaschemas, struct fnr_error *err);

/* metaschema.c: the documents that everybody knows; NULL if there is none of that address. They stay for ever. */
struct json_object *metaschema_find(const char *uri);
#define METASCHEMA "https://json-schema.org/draft/2020-12/schema"
#define METASCHEMA_BASE "https://json-schema.org/draft/2020-12/"

/* keywords.c: the operations of a node that is an object */
void keywords_compile(struct compiler *c, struct node *node, unsigned vocabularies);

/* loop.c: a schema that leads to itself without going deeper into the value would never end */
bool loop_check(struct compiler *c);

/* link.c: to be called when there are no loops */
void link_all(struct compiler *c);

/* Where a node stands: "#/properties/a", with the document's address before it unless it is the one that was given. */
const char *node_pointer(const struct schema *schema, const struct node *node, char out[POINTER_MOST]);

/* ---- running ---- */

/* Where in the value we are: a chain on the stack, kept only when problems are to be reported. */
struct spot { const struct spot *parent; const char *name; size_t index; };

struct scope { const struct resource *resource; const struct scope *parent; };

/* A misfit, as little as words can be made of later: numbers and texts mean what `kind` says. */
enum problem_kind { PROBLEM_RULE, PROBLEM_KIND, PROBLEM_MISSING, PROBLEM_DEPENDENT, PROBLEM_CONTAINS, PROBLEM_BOTH, PROBLEM_NONE, PROBLEM_LIMIT };
struct problem {
	const struct node *node;
	const struct op *op;
	struct json_object *value;
	const char *name, *other;
	uint64_t first, second;
	size_t way, depth;           /* its place: so many steps from this one of the report on */
	enum problem_kind kind;
};
struct step { const char *name; size_t index; };

struct schema_report {
	const struct schema *schema;
	struct problem *problems;
	struct step *steps;
	size_t count, size, step_count, step_size;
	size_t base;                 /* the first of those that count towards SCHEMA_ERRORS now */
	struct json_object *kept;    /* values that were made for the run, and that problems point at */
};

struct run {
	const struct schema *schema;
	struct schema_report *report; /* NULL: only whether it fits, and the first misfit ends it */
	const struct spot *spot;
	const struct scope *scope;
	int64_t steps;               /* left */
	int depth;
	const char *stopped;         /* why it could not go on */
	bool said;                   /* that is reported */
	struct pattern_clock clock;
};

/* report.c: notes a misfit, if a report is wanted. All return false, so that who found it can end with that. */
bool report_rule(struct run *run, const struct node *node, const struct op *op, struct json_object *value);
bool report_kind(struct run *run, const struct node *node, struct json_object *value);
bool report_missing(struct run *run, const struct node *node, const char *name);
bool report_dependent(struct run *run, const struct node *node, const char *name, const char *missing);
bool report_contains(struct run *run, const struct node *node, const struct op *op, uint64_t found);
bool report_both(struct run *run, const struct node *node, size_t first, size_t second);
bool report_none(struct run *run, const struct node *node, const struct op *op, struct json_object *value);
bool report_limit(struct run *run, const struct node *node);
static inline bool report_full(const struct run *run)
{
	return run->report->count - run->report->base >= SCHEMA_ERRORS;
}
struct json_object *report_keep(struct run *run, struct json_object *value);   /* puts it when the report goes */

/* message.c: puts a problem into words, as an entry of err->errors. */
void message_add(const struct schema_report *report, const struct problem *problem, const char *pointer, struct fnr_error *err);
void message_place(const struct schema_report *report, const struct problem *problem, const char *pointer, char out[POINTER_MOST]);

/* validate.c: does the value fit the whole schema; and one of its schemas, for the alternatives in a report? */
bool run_schema(const struct schema *schema, struct json_object *value, struct schema_report *report);
bool run_eval(struct run *run, const struct node *node, struct json_object *value);

/* format.c */
struct format { const char *name, *like; bool (*fits)(const char *text, size_t len); };
const struct format *format_find(const char *name);

#endif
