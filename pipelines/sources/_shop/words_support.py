"""What customers ask and what the shop answers, by intent: (English, Chinese) of each.

{n} is the product's noun, {order} an order's number.
"""

from dataclasses import dataclass

from pipelines.sources._shop.lexicon import Word


@dataclass(frozen=True)
class Intent:
    name: str
    weight: float
    asks: tuple[Word, ...]
    reply: Word


INTENTS = (
    Intent("order_status", 5, (
        ("Where is my {n}? I ordered it days ago.", "我的{n}到哪里了？下单好几天了。"),
        ("Has my order {order} been shipped yet?", "订单{order}发货了吗？"),
        ("The tracking page has not changed since Monday, when does it come?", "物流一直没有更新，什么时候到？"),
        ("I am still waiting for my package.", "包裹一直没收到，请帮忙查一下。"),
    ), ("Your order is on its way; the tracking link in your account shows where it is. Most parcels take three to five"
        " days.", "您的订单已经发出，可以在账户的物流页面查看进度，一般三到五天送达。")),
    Intent("return_item", 4, (
        ("I want to return the {n}, how does that work?", "我想退{n}，怎么操作？"),
        ("Can I send this back? It is not what I expected.", "东西和想的不一样，可以退货吗？"),
        ("Please send me a return label for order {order}.", "请给我订单{order}的退货单。"),
        ("How long do I have to return something?", "多少天之内可以退货？"),
    ), ("You can return it unused within 30 days: choose Return in your account and print the label.",
        "三十天内未使用可以退货：在账户里选择退货，打印退货单即可。")),
    Intent("refund_status", 3, (
        ("I sent the {n} back two weeks ago and still have no refund.", "{n}两个星期前就寄回去了，还没有退款。"),
        ("When do I get my money back for order {order}?", "订单{order}的钱什么时候退？"),
        ("My refund has not arrived.", "退款一直没有到账。"),
    ), ("Refunds take up to five working days after the parcel has reached us. It goes to the account you paid from.",
        "收到退货后五个工作日内退款，原路退回。")),
    Intent("damaged_item", 3, (
        ("The {n} arrived broken.", "收到的{n}是坏的。"),
        ("There is a crack in it and the box was crushed.", "上面有裂缝，箱子也压坏了。"),
        ("It stopped working on the second day, please replace it.", "第二天就不能用了，请给我换一个。"),
    ), ("We are sorry. We send a new one at once; you need not send the broken one back.",
        "非常抱歉，我们马上补发一件，坏的不用寄回。")),
    Intent("wrong_item", 2, (
        ("I received something else than the {n} I ordered.", "收到的不是我买的{n}。"),
        ("You sent me the wrong colour.", "颜色发错了。"),
        ("Part of order {order} is missing.", "订单{order}少发了一件。"),
    ), ("We are sorry for the mix-up. The right item leaves today, and a label for the wrong one is in your account.",
        "抱歉发错了，正确的商品今天发出，错的那件请用账户里的退货单寄回。")),
    Intent("size_advice", 2, (
        ("Which size of the {n} should I take, I am between two sizes?", "{n}应该买多大的？我在两个尺码之间。"),
        ("Does it run small or large?", "尺码偏大还是偏小？"),
        ("How long is it, measured flat?", "平铺量是多长？"),
    ), ("Between two sizes we advise the larger one; the size table is on the product's page.",
        "介于两个尺码之间建议买大一号，商品页面有尺码表。")),
    Intent("product_question", 3, (
        ("Can I take the {n} for everyday use?", "这款{n}适合每天用吗？"),
        ("What is it made of?", "这个是什么材质的？"),
        ("Can it go into the dishwasher or the washing machine?", "可以机洗吗？"),
        ("Does it come with a warranty?", "有保修吗？"),
    ), ("Material, care and warranty are listed under Details on the product's page.",
        "材质、保养和保修都写在商品页面的详情里。")),
    Intent("stock_question", 2, (
        ("When will the {n} be available again?", "{n}什么时候有货？"),
        ("It says sold out, will there be more?", "显示缺货，还会补货吗？"),
        ("Do you still have it in another colour?", "还有别的颜色吗？"),
    ), ("New stock usually comes within a week. Choose Notify me on the product's page and you get a message.",
        "一般一个星期内补货，在商品页面点到货提醒即可。")),
    Intent("invoice", 2, (
        ("I need an invoice for order {order}.", "订单{order}请开发票。"),
        ("Please put my company's name on the bill.", "发票抬头请写公司名称。"),
        ("Where can I download the receipt?", "在哪里下载收据？"),
    ), ("Invoices are in your account under Orders, where you can also change the name on them.",
        "发票在账户的订单页面下载，抬头也可以在那里修改。")),
    Intent("change_address", 2, (
        ("I typed the wrong street, can you change the delivery address?", "地址写错了，可以改收货地址吗？"),
        ("Please deliver order {order} to my office instead.", "订单{order}请改送到公司。"),
        ("I am moving house, where do I change my address?", "我搬家了，在哪里改地址？"),
    ), ("As long as the parcel has not left us the address can be changed in your account under Orders.",
        "发货之前可以在账户的订单页面修改地址。")),
    Intent("cancel_order", 2, (
        ("Please cancel order {order}.", "请取消订单{order}。"),
        ("I ordered the {n} twice by mistake, stop one of them.", "{n}不小心下了两单，请取消一单。"),
        ("I do not want it any more, can I still cancel?", "不想要了，还能取消吗？"),
    ), ("Orders can be cancelled until they are packed: choose Cancel in your account. After that please return it.",
        "打包之前可以在账户里取消订单，之后请走退货流程。")),
    Intent("coupon_problem", 2, (
        ("The coupon code does not work.", "优惠券用不了。"),
        ("I forgot to enter my voucher, can you still take it off?", "忘了用优惠券，还能减吗？"),
        ("Why is there no discount in my cart?", "购物车里为什么没有优惠？"),
    ), ("A coupon holds for the items named on it while the campaign runs and is entered before paying.",
        "优惠券在活动期间对指定商品有效，付款前输入。")),
    Intent("other", 2, (
        ("I just wanted to say thank you, I love the {n}.", "只想说声谢谢，{n}很好。"),
        ("Are you hiring at the moment?", "你们现在招人吗？"),
        ("Do you have a shop in town where I can look around?", "你们有实体店吗？"),
        ("asdf test", "测试一下"),
    ), ("Thank you for your message, a colleague will get in touch.", "感谢您的留言，我们会有同事联系您。")),
)  # fmt: skip

OPENINGS: tuple[Word, ...] = (
    ("Hello,", "你好，"),
    ("Hi there,", "您好，"),
    ("Good morning.", "早上好。"),
    ("Hey", "在吗，"),
)
CLOSINGS: tuple[Word, ...] = (("Thanks.", "谢谢。"), ("Please hurry.", "麻烦快一点。"), ("Best regards", "祝好"))
PERSONAL: tuple[tuple[Word, Word], ...] = (
    (("You can reach me at ", "可以联系我："), (".", "。")),
    (("I paid with ", "付款用的是"), (".", "。")),
    (("The address was ", "地址是"), (".", "。")),
    (("My details: ", "我的信息："), ("", "")),
)
REPEATED: tuple[Word, Word] = (("We have ", " on file."), ("我们登记的是", "。"))  # by language: before, after
SUBJECTS: tuple[Word, ...] = (
    ("Question", "咨询"), ("My order", "我的订单"), ("Help please", "求助"), ("About the {n}", "关于{n}"),
)  # fmt: skip
CHANNELS = ("mail", "chat", "form")
