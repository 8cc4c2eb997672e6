"""How lines of Amazon's reviews and metadata become rows of the contract, in DuckDB's SQL.

`REVIEW_BLOCK` and `PRODUCT_BLOCK` read the table `block` (line, raw) and give the contract's columns with `day`.
"""

from pipelines.contracts import LINE, UNREADABLE, UNREADABLE_REASON

NAME = "amazon_reviews"
_LAST_MOMENT = 4_102_444_800_000  # milliseconds, the year 2100; later ones are typing errors
_DESCRIPTION = 5_000  # characters; more would have the contract refuse the whole product

_WITHHELD = "if(contains(raw, 'reviewerName'), concat('withheld: ', length(raw), ' characters'), raw)"

# A line that is no object keeps its text, unless a reviewer's name may stand in it.
_FRAMED = f"""
with documents as (
    select {LINE}, raw, case when json_valid(raw) then if(json_type(raw) = 'OBJECT', raw, null) end as doc from block
),
framed as (
    select
        {LINE},
        doc,
        if(doc is null, {_WITHHELD}, null) as {UNREADABLE},
        if(doc is null, 'not a JSON object', null) as {UNREADABLE_REASON}
    from documents
)
"""


def _members(**paths: str) -> str:
    """SELECT of `framed` with members of each object as text; an object is parsed once for all of them."""
    wanted = ", ".join(f"'$.{path}'" for path in paths.values())
    named = ", ".join(f"found[{i}] as {name}" for i, name in enumerate(paths, start=1))
    return f"select *, {named} from (select *, json_extract_string(doc, [{wanted}]) as found from framed)"


REVIEW_BLOCK = f"""
{_FRAMED},
members as ({
    _members(
        parent="parent_asin",
        asin="asin",
        user_2023="user_id",
        user_2018="reviewerID",
        rating="rating",
        overall="overall",
        title="title",
        summary="summary",
        text="text",
        review_text="reviewText",
        milliseconds="timestamp",
        seconds="unixReviewTime",
    )
}),
counted as (
    select *, coalesce(try_cast(milliseconds as bigint), 1000 * try_cast(seconds as integer)::bigint) as since_1970
    from members
),
timed as (
    select *, if(since_1970 between 0 and {
    _LAST_MOMENT
}, make_timestamp(1000 * since_1970), null) as moment from counted
)
select
    {LINE},
    moment::date as day,
    coalesce(parent, asin) as item_id,
    coalesce(user_2023, user_2018) as user_id,
    coalesce(utc_text(moment, 'UTC'), milliseconds, seconds) as created_at,
    coalesce(rating, overall) as rating,
    coalesce(summary, title) as title,
    coalesce(text, review_text) as body,
    {UNREADABLE},
    {UNREADABLE_REASON}
from timed
order by {LINE}
"""

# A price is one amount: nothing is known of a range, or of the markup that some lines carry instead.
PRODUCT_BLOCK = f"""
{_FRAMED},
members as ({
    _members(
        parent="parent_asin",
        asin="asin",
        title="title",
        maker="brand",
        store="store",
        asked="price",
        large="imageURLHighRes[0]",
        small="imageURL[0]",
        large_2023="images[0].large",
        main_category="main_category",
        main_cat="main_cat",
        colour="details.Color",
        material="details.Material",
        size="details.Size",
        description="description",
    )
})
select
    members.{LINE},
    coalesce(seen.day, $earliest::date) as day,
    coalesce(parent, asin) as item_id,
    title,
    left(coalesce({{listed_description}}, description), {_DESCRIPTION}) as description,
    coalesce(nullif(maker, ''), nullif(store, '')) as brand,
    coalesce({{listed_categories}}, {{listed_category}}) as category_path,
    nullif(replace(regexp_extract(trim(asked), '^\\$?([0-9][0-9,]*([.][0-9]+)?)$', 1), ',', ''), '') as price,
    coalesce(large, small, large_2023) as image_uri,
    json_merge_patch('{{{{}}}}'::json, json_object(
        'main_category', coalesce(main_category, main_cat), 'colour', colour, 'material', material, 'size', size
    ))::varchar as attributes,
    {UNREADABLE},
    {UNREADABLE_REASON}
from members left join seen on seen.item_id = coalesce(parent, asin)
order by members.{LINE}
"""


def _listed(member: str, gap: str) -> str:
    """SQL: the texts of a list as one, NULL where there is none."""
    texts = f"list_filter(json_extract_string(doc, '$.{member}[*]'), lambda t: trim(t) <> '')"
    return f"nullif(array_to_string({texts}, '{gap}'), '')"


PRODUCT_BLOCK = PRODUCT_BLOCK.format(
    listed_description=_listed("description", " "),
    listed_categories=_listed("categories", " > "),
    listed_category=_listed("category", " > "),
)

KEYED = f"""
with of_day as (select * from kept where day = $day),
keyed as (
    select *, row_key('{NAME}', [item_id, user_id, created_at, rating, title, body]) as key
    from of_day
    where {UNREADABLE_REASON} is null
)
select
    * exclude (key, day),
    event_id(key, row_number() over (partition by key order by {LINE})) as review_id
from keyed
union all by name
select {LINE}, {UNREADABLE}, {UNREADABLE_REASON} from of_day where {UNREADABLE_REASON} is not null
order by {LINE}
"""
RATINGS = f"""
select
    left(sha256('rating' || chr(31) || review_id), 32) as event_id,
    created_at as occurred_at,
    'rating' as event_type,
    user_id,
    item_id,
    {LINE}
from keyed_day
where {UNREADABLE_REASON} is null
order by {LINE}
"""
USERS = (
    f"select user_id, min({LINE}) as {LINE} from keyed_day where user_id is not null group by user_id order by {LINE}"
)
PRODUCTS = f"select * exclude (day) from kept where day = $day order by {LINE}"
