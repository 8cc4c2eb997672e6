"""Common words, by which languages are told apart and keywords from filling."""


def of(text: str) -> frozenset[str]:
    return frozenset(text.split())


ENGLISH_FILLING = of(
    """
    a about above after again all almost also always am an and another any anything are aren't around as at away
    back be because been before being below between both but by came can can't cannot come could couldn't did didn't
    do does doesn't doing don't done down during each either else enough even ever every everyone everything few
    first for from further gave get gets getting give given go goes going gone got had hadn't has hasn't have
    haven't having he he's her here hers herself him himself his how however i i'd i'll i'm i've if in instead into
    is isn't it it'll it's its itself just kind know last least less let like lot lots made make makes many may
    maybe me might mine more most much must my myself never next no nor not nothing now of off often on once one
    ones only or other others our ours out over own per perhaps put quite rather re really said same saw say says
    see seem seemed seems seen she she's should shouldn't since so some someone something somewhat soon still such
    sure take taken than that that's the their them themselves then there there's these they they'd they'll they're
    they've thing things think this those though thought through thus till to together too took toward tried try
    trying under until up upon us use used using ve very via want wanted wants was wasn't way we we're we've well
    went were weren't what whatever when where whether which while who whole whom whose why will with within without
    won't would wouldn't yes yet you you'd you'll you're you've your yours yourself
    """
)
ENGLISH = ENGLISH_FILLING | of(
    """
    absolutely amazing arrived awesome awful bad beautiful best better big bought broke broken cheap clean color
    colour comfortable cute damaged day delivery disappointed disappointing dress easy excellent expensive fabric
    fast fine fit fits flattering food fresh friendly gift good great happy hate high horrible hot large late
    leather light little long looks love loved lovely loves low money month months nice okay ok old order ordered
    package perfect perfectly pleased poor pretty price product purchase purchased quality quick quickly received
    recommend refund return returned returning runs sad seller service shipped shipping shirt shoes short size slow
    small soft stylish superb sweater tasty terrible thank thanks thin tight time ugly value warm waste week well
    wear wearing weeks wonderful work worked works worse worst worth wrong year years fabulous gorgeous beware junk
    garbage useless defective delicious adorable fantastic favorite impressed satisfied rubbish crap meh brilliant
    """
)
FOREIGN = (
    of(
        """
    el la los las un una de del que y es en por con para como muy pero más mas no lo se su me mi le ya está esta
    este todo bien bueno buena producto calidad llegó llego muy excelente gracias nada cuando porque también compra
    precio perfecto recomiendo fue son al si sin ha he gusta gusto mala malo
    """
    ),
    of(
        """
    le la les un une des du de et est en que qui pas pour dans sur avec ce cette je il elle nous vous très tres mais
    bien bon bonne produit qualité qualite merci c'est j'ai n'est au aux ne se sa son mon ma plus tout été livraison
    parfait conforme reçu
    """
    ),
    of(
        """
    der die das ein eine einen dem den und ist nicht ich sie er es wir ihr mit für fur auf von zu im am auch als
    aber sehr gut war hat habe haben wie wenn noch nur bei nach aus so dass sich qualität lieferung schnell leider
    produkt alles gerne kaufen mehr kann
    """
    ),
    of(
        """
    il lo la gli le un una di del della che e è per con non mi si ma molto come sono ho ha questo questa più piu
    bene ottimo prodotto qualità qualita prezzo consiglio tutto arrivato perfetto nel al da anche
    """
    ),
    of(
        """
    o a os as um uma de do da dos das que e é em por com para não nao muito mas como mais meu minha se foi são
    produto qualidade ótimo otimo bom boa chegou recomendo gostei veio bem ao no na
    """
    ),
    of(
        """
    de het een en van is niet ik dat op te in met voor zijn maar er aan ook goed heel erg snel mooi dit deze was heb
    je kwaliteit geleverd zeer bij nog wel
    """
    ),
    of(
        """
    och att det är jag inte en ett som på med för av men mycket bra den har var så till om
    """
    ),
    of(
        """
    i w na z nie się jest to do że jak ale bardzo dobry polecam jakość za tak od dla po
    """
    ),
    of(
        """
    ve bir bu çok için de da ama ile güzel ürün iyi değil geldi tavsiye ederim kaliteli
    """
    ),
    of(
        """
    yang dan di ini itu tidak dengan untuk bagus sangat barang saya ada sesuai cepat banget
    """
    ),
    of(
        """
    và là của không có được cho rất hàng này tôi đẹp giao với nhưng
    """
    ),
)
CHINESE_FILLING = of(
    """
    的 了 是 我 你 他 她 它 们 这 那 和 与 也 都 就 在 有 没 不 很 太 还 又
    再 才 把 被 给 让 要 会 能 可 可以 一 个 一个 吧 吗 呢 啊 哦 呀 嘛 哈 得
    地 着 过 到 说 去 来 上 下 里 时候 什么 怎么 因为 所以 但是 不过 如果 就是
    还是 真的 感觉 觉得 比较 非常 特别 有点 一点 已经 这个 那个 这么 那么 没有 我们
    你们 他们 自己 知道 东西 以后 之后 现在 一次 一样 起来 而且 怎么样 第一次 如此
    其他 今天 昨天 这样 那样 还有 只有 只能 居然 竟然 根本 每次 这次 上次 应该 一直
    超级 的话 虽然 不是 不会 不能 不知 的时候 为什么 然后 结果 希望 对方 无法 从来
    直接 完全 可能 最后 终于 其实 毕竟 甚至 还没 不要 不想 谢谢 就算 一般
    """
)
